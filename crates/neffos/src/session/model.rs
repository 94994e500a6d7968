//! A small model of a session's peer, handlers and driver. It checks the properties after each step, for fuzzers and
//! tests.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smol_str::SmolStr;
use tokio::time::Instant;

use super::acts::{Act, MOST_REQUESTS, NAMESPACES, ROOMS};
use super::limits::TestSide;
use super::{
    Action, AfterHandler, ChangeStep, Due, Effect, EndLimits, GreetingLimits, IndexChange, MembershipChange,
    Memberships, OpenAsk, Outcome, RawMessage, Reading, Refusal, ReplyAndClose, Rules, Session, SessionLimits, respond,
};
use crate::budget::Pressure;
use crate::error::CloseError;
use crate::message::{Initiator, Message, events};
use crate::websocket::{CloseCode, CloseFrame, Kind, Role};

/// The limits on queued events, and on messages before the answer to the greeting.
const WAITING: usize = 3;
const EARLY: usize = 4;

/// The current job of the simulated driver.
#[derive(Debug)]
pub(super) enum Job {
    Handler(Box<Message>),
    Hook,
    Admission,
    Wait,
}

/// A request of this side, in a separate task.
struct Request {
    change: Option<MembershipChange>,
    stage: Stage,
    token: SmolStr,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Deciding,
    Asked,
    Agreed,
    Ended,
}

pub(super) struct World {
    pub(super) side: TestSide,
    pub(super) session: Session<usize>,
    now: Instant,
    pub(super) job: Option<Job>,
    requests: Vec<Request>,
    /// The index of the fan-out.
    index: HashMap<String, HashSet<String>>,
    /// How often each token of the peer was answered.
    pub(super) replies: HashMap<String, usize>,
    /// The tokens of requests for namespaces and rooms.
    asked: Vec<String>,
    sent: usize,
    /// The places that the peer has connected to or joined, and whose handlers are not notified yet.
    entered: HashSet<String>,
    /// The events that handlers received, with the place.
    told: Vec<(String, String)>,
    is_closed: bool,
    /// Whether handlers were stopped.
    gave_up: bool,
}

impl World {
    pub(super) fn new(side: TestSide, now: Instant) -> Self {
        let mut world = Self {
            session: Session::new(&side, now),
            side,
            now,
            job: None,
            requests: Vec::new(),
            index: HashMap::new(),
            replies: HashMap::new(),
            asked: Vec::new(),
            sent: 0,
            entered: HashSet::new(),
            told: Vec::new(),
            is_closed: false,
            gave_up: false,
        };
        if world.side.role() == Role::Server {
            world.session.begin(true, &world.side);
            world.job = Some(Job::Admission);
            world.receive(Bytes::from_static(b"M"));
        }
        world
    }

    pub(super) fn run(&mut self, acts: &[Act]) {
        for act in acts {
            self.act(act);
            self.turn();
            self.check();
        }
        self.finish_requests();
        self.close();
        while !self.session.is_over() {
            self.end_job(0);
            self.turn();
            self.check();
        }
        self.check_end();
    }

    /// Lets the handlers finish the peer's requests, so that each gets its reply.
    fn finish_requests(&mut self) {
        while !self.is_closed && self.job.is_some() {
            self.end_job(0);
            self.turn();
            self.check();
        }
        if !self.is_closed && self.requests.is_empty() && self.side.role() == Role::Server {
            assert!(self.asked.iter().all(|token| self.replies.contains_key(token)), "{:?}", self.asked);
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Send { event, namespace, room, is_ask } => {
                let token = if *is_ask { format!("${}", self.sent) } else { String::new() };
                self.sent += 1;
                let (namespace, room) = (NAMESPACES[*namespace], ROOMS[*room]);
                if self.is_read() && *is_ask && *event != "chat" && !self.session.is_draining() {
                    self.asked.push(token.clone());
                }
                self.receive(format!("{token};{namespace};{room};{event};0;0;body").into());
            }
            Act::SendBytes(bytes) => self.receive(bytes.clone().into()),
            Act::Reply { is_error } => {
                let open = self.requests.iter().find(|request| request.stage == Stage::Asked);
                let Some(token) = open.map(|request| request.token.clone()) else { return };
                let frame = if *is_error { format!("{token};a;;x;1;0;no") } else { format!("{token};;;;0;0;") };
                self.receive(frame.into());
            }
            Act::EndJob(how) => self.end_job(*how),
            Act::Begin { what, namespace, room } => self.begin(*what, *namespace, *room),
            Act::Step { nth, consents } => self.step(*nth, *consents),
            Act::GiveUp { nth } => self.give_up(*nth),
            Act::Wait(milliseconds) => {
                self.now += Duration::from_millis(u64::from(*milliseconds));
                self.time_out();
            }
            Act::Drain => self.session.drain(),
        }
    }

    /// Handles the passed deadlines, and checks that they end.
    fn time_out(&mut self) {
        let mut times = 0;
        while let Some(due) = self.session.handle_timeout(self.now, &self.side.limits) {
            match due {
                Due::Ping | Due::Resume | Due::LookAgain | Due::Probe | Due::SocketTimeout => {}
                Due::NotOpen | Due::NoPong | Due::Stalled | Due::SlowMessage => self.close(),
                Due::HandlerTimeout => {
                    self.job = None;
                    self.gave_up = true;
                    self.session.give_up_handlers(self.now, Duration::from_secs(1));
                }
            }
            times += 1;
            assert!(times < 8, "{due:?} is due again and again");
        }
    }

    fn is_read(&mut self) -> bool {
        !self.is_closed && self.session.reading(Pressure::Calm, false, &self.side.limits) == Reading::On
    }

    pub(super) fn receive(&mut self, data: Bytes) {
        if !self.is_read() {
            return;
        }
        let action = self.session.handle_frame(RawMessage { kind: Kind::Text, data }, self.now, &self.side);
        self.perform(action);
    }

    /// One turn of the driver.
    pub(super) fn turn(&mut self) {
        let urgent = self.session.poll_urgent();
        self.perform(urgent);
        while self.job.is_none() {
            let action = self.session.poll_action(&self.side);
            if action.is_none() {
                return;
            }
            self.perform(action);
        }
    }

    pub(super) fn perform(&mut self, action: Option<Action<usize>>) {
        match action {
            Some(Action::Answer(ReplyAndClose { reply, close })) => {
                self.note_reply(reply);
                if close.is_some() {
                    self.close();
                }
            }
            Some(Action::Run(namespace, message)) => {
                self.check_run(&namespace, &message);
                self.job = Some(Job::Handler(message));
            }
            Some(Action::Index(change, reply)) => {
                let place = self.change_index(change);
                if reply.is_some() {
                    self.entered.extend(place);
                }
                self.session.confirm_membership();
                self.note_reply(reply);
            }
            Some(Action::Deliver(change, nth, _reply)) => {
                if let Some(change) = change {
                    // The task of the caller notifies the handlers.
                    self.change_index(change);
                }
                assert_eq!(self.requests[nth].stage, Stage::Asked, "a reply counts once");
                self.requests[nth].stage = Stage::Agreed;
            }
            Some(Action::Reach(..) | Action::Settle) => self.job = Some(Job::Wait),
            Some(Action::RunDisconnectHook) => self.job = Some(Job::Hook),
            Some(Action::Welcome(frames)) => {
                for frame in frames {
                    let action = self.session.handle_frame(frame, self.now, &self.side);
                    self.perform(action);
                }
            }
            Some(Action::Refuse(_) | Action::CloseForRestart | Action::CloseForRate | Action::Close(_)) => self.close(),
            Some(Action::CountPause(_) | Action::Dropped(_)) | None => {}
        }
    }

    pub(super) fn end_job(&mut self, how: u8) {
        let action = match self.job.take() {
            Some(Job::Handler(message)) => self.end_handler(message, outcome(how)),
            Some(Job::Admission) => self.session.handle_admission((how > 250).then(refusal), &self.side),
            Some(Job::Wait | Job::Hook) => self.session.continue_work(&self.side),
            None => None,
        };
        self.perform(action);
    }

    pub(super) fn end_handler(&mut self, message: Box<Message>, outcome: Outcome) -> Option<Action<usize>> {
        match self.session.handle_handler_done(message, &outcome, &self.side) {
            AfterHandler::Respond { message, may_reply } => {
                Some(respond(message, outcome, may_reply, self.side.role()).into())
            }
            AfterHandler::Next(action) => action,
        }
    }

    fn begin(&mut self, what: u8, namespace: usize, room: usize) {
        let (namespace, room): (Arc<str>, Arc<str>) = (NAMESPACES[namespace].into(), ROOMS[room].into());
        let rooms = self.session.membership().rooms_of(&namespace).unwrap_or_default().to_vec();
        let change = match what % 5 {
            0 => Some(MembershipChange::connect(namespace)),
            1 => Some(MembershipChange::disconnect(namespace, rooms)),
            2 => Some(MembershipChange::join(namespace, room)),
            3 => Some(MembershipChange::leave(namespace, room, Initiator::Local)),
            _ => None,
        };
        if self.requests.len() < MOST_REQUESTS && !self.is_closed {
            self.requests.push(Request { change, stage: Stage::Deciding, token: SmolStr::default() });
        }
    }

    fn step(&mut self, nth: usize, consents: bool) {
        let Some(request) = self.requests.get_mut(nth) else { return };
        match request.stage {
            Stage::Asked | Stage::Ended => {}
            Stage::Agreed => {
                let next = request.change.as_mut().and_then(MembershipChange::next);
                if next.is_none() {
                    request.stage = Stage::Ended;
                }
            }
            Stage::Deciding => match request.change.as_mut().map(|change| change.next()) {
                Some(Some(ChangeStep::Consent(_))) if !consents => request.stage = Stage::Ended,
                Some(Some(ChangeStep::Consent(_) | ChangeStep::Reach)) => {}
                Some(Some(ChangeStep::Ask)) | None => self.ask(nth),
                Some(other) => panic!("no request of this side begins with {other:?}"),
            },
        }
    }

    fn ask(&mut self, nth: usize) {
        let request = &mut self.requests[nth];
        let (message, effect) = match &request.change {
            Some(change) => (change.request(), change.effect()),
            None => (Message::new("chat", "?").in_namespace("a"), Effect::Nothing),
        };
        request.stage = Stage::Ended;
        if self.is_closed || self.session.may_ask(&message, &effect).is_err() {
            return;
        }
        request.token = self.session.new_token();
        let pending = OpenAsk { namespace: "a".into(), effect, waiter: nth };
        if self.session.open_ask(request.token.clone(), pending, 4).is_ok() {
            request.stage = Stage::Asked;
        }
    }

    fn give_up(&mut self, nth: usize) {
        let Some(request) = self.requests.get_mut(nth) else { return };
        let was_open = self.session.close_ask(&request.token).is_some();
        assert_eq!(was_open, request.stage == Stage::Asked);
        if was_open {
            request.stage = Stage::Ended;
        }
    }

    fn close(&mut self) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        let second = Duration::from_secs(1);
        let end = EndLimits { socket: second, stall: second, handlers: second };
        let (asks, memberships) = self.session.handle_close(self.now, end);
        assert_eq!(places(&memberships), self.index);
        for pending in asks {
            assert_eq!(self.requests[pending.waiter].stage, Stage::Asked);
            self.requests[pending.waiter].stage = Stage::Ended;
        }
        self.index.clear();
    }

    /// Changes the index. Returns the place that the connection was added to, if any.
    fn change_index(&mut self, change: IndexChange) -> Option<String> {
        // A connection that has ended is in no index.
        if self.is_closed {
            return None;
        }
        match change {
            IndexChange::Connect(namespace) => {
                let is_new = !self.index.contains_key(&*namespace);
                self.index.entry(namespace.to_string()).or_default();
                return is_new.then(|| format!("{namespace}/"));
            }
            IndexChange::Disconnect(namespace, rooms) => {
                let known = self.index.remove(&*namespace).unwrap_or_default();
                assert_eq!(known, rooms.iter().map(ToString::to_string).collect());
            }
            IndexChange::Join(namespace, room) => {
                let rooms = self.index.get_mut(&*namespace).expect("rooms are inside a namespace");
                assert!(rooms.insert(room.to_string()), "joined twice");
                return Some(format!("{namespace}/{room}"));
            }
            IndexChange::Leave(namespace, room) => {
                let rooms = self.index.get_mut(&*namespace).expect("rooms are inside a namespace");
                assert!(rooms.remove(&*room), "left twice");
            }
        }
        None
    }

    fn note_reply(&mut self, reply: Option<Bytes>) {
        let Some(reply) = reply else { return };
        let text = String::from_utf8_lossy(&reply[2..]).into_owned();
        let token = text.split(';').next().unwrap_or_default();
        if self.side.role() == Role::Server {
            *self.replies.entry(token.to_owned()).or_default() += 1;
        }
    }

    fn check_run(&mut self, namespace: &str, message: &Message) {
        let (event, room) = (message.event(), message.room().unwrap_or_default());
        let place = format!("{namespace}/{room}");
        match event {
            "chat" if !self.is_closed => {
                let rooms = self.index.get(namespace).expect("an event outside of a namespace");
                assert!(room.is_empty() || rooms.contains(room), "an event outside of a room");
            }
            events::CONNECTED | events::JOINED => {
                let place = if event == events::CONNECTED { format!("{namespace}/") } else { place };
                assert!(self.is_closed || self.entered.remove(&place), "{event} of {place}, which is not new");
                self.told.push((event.to_owned(), place));
            }
            events::LEFT => self.told.push((event.to_owned(), place)),
            _ => {}
        }
    }

    fn check(&self) {
        if !self.is_closed {
            assert_eq!(places(self.session.membership().all()), self.index, "the index follows the membership");
        }
        let waiting = self.session.inbox.len();
        let most = if self.requests.is_empty() { WAITING + EARLY } else { WAITING * 16 + EARLY };
        assert!(waiting <= most, "{waiting} events wait");
        assert!(self.replies.iter().all(|(_, count)| *count == 1), "{:?}", self.replies);
    }

    /// Checks that every request of this side has ended or is about to, and that handlers received each event once and
    /// in order.
    fn check_end(&self) {
        assert!(self.requests.iter().all(|request| request.stage != Stage::Asked), "a request waits for ever");
        // Handlers that took too long after the end receive no more events.
        if !self.requests.is_empty() || self.gave_up {
            return;
        }
        let mut joined = HashSet::new();
        for (event, place) in &self.told {
            match &**event {
                events::JOINED => assert!(joined.insert(place), "{place} was joined twice"),
                events::LEFT => assert!(joined.remove(place), "{place} was left before it was joined"),
                _ => {}
            }
        }
        assert!(joined.is_empty(), "no handler was notified that these were left: {joined:?}");
    }
}

fn places(memberships: &Memberships) -> HashMap<String, HashSet<String>> {
    let rooms = |rooms: &Vec<Arc<str>>| rooms.iter().map(ToString::to_string).collect();
    memberships.iter().map(|(namespace, all)| (namespace.to_string(), rooms(all))).collect()
}

fn outcome(how: u8) -> Outcome {
    match how {
        200..220 => Outcome::Error("no".into()),
        220..240 => Outcome::Body("yes".into()),
        240..250 => Outcome::Panicked,
        250.. => Outcome::Close(CloseError::new(CloseCode::POLICY, "go")),
        _ => Outcome::Nothing,
    }
}

fn refusal() -> Refusal {
    Refusal { text: "no".into(), close: CloseFrame::new(CloseCode::POLICY, "no") }
}

pub(super) fn small(mut side: TestSide) -> TestSide {
    let ack = GreetingLimits { frames: EARLY, ..SessionLimits::default().ack };
    side.limits = SessionLimits { max_inbox_events: WAITING, ack, ..side.limits };
    side
}
