//! A session under random input, compared with a small model: frames, handlers, requests of this side, timeouts, the end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use smol_str::SmolStr;
use tokio::time::Instant;

use super::limits::TestSide;
use super::*;
use crate::budget::Pressure;
use crate::error::CloseError;
use crate::message::{Initiator, Message, events};
use crate::websocket::{CloseCode, Kind, Role};

const NAMESPACES: [&str; 4] = ["a", "b", "c", "undeclared"];
const ROOMS: [&str; 3] = ["", "r", "s"];
/// So many events may be queued, and so many messages may come before the greeting is answered.
const WAITING: usize = 3;
const EARLY: usize = 4;

#[derive(Debug, Clone)]
enum Act {
    /// The peer sends a message, as a request or not.
    Send {
        event: &'static str,
        namespace: usize,
        room: usize,
        is_ask: bool,
    },
    /// The peer sends anything.
    SendBytes(Vec<u8>),
    /// The peer replies to the oldest open request.
    Reply {
        is_error: bool,
    },
    /// The handler at work, or the wait, is over.
    EndJob(u8),
    /// This side begins a change, or asks.
    Begin {
        what: u8,
        namespace: usize,
        room: usize,
    },
    /// A request of this side makes a step.
    Step {
        nth: usize,
        consents: bool,
    },
    /// The caller of a request gives up.
    GiveUp {
        nth: usize,
    },
    Wait(u16),
    Drain,
}

/// The job of the simulated driver.
#[derive(Debug)]
enum Job {
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

struct World {
    side: TestSide,
    session: Session<usize>,
    now: Instant,
    job: Option<Job>,
    requests: Vec<Request>,
    /// The index of the fan-out.
    index: HashMap<String, HashSet<String>>,
    /// How often each token of the peer was answered.
    replies: HashMap<String, usize>,
    /// The tokens of requests for namespaces and rooms.
    asked: Vec<String>,
    sent: usize,
    /// The events that handlers got, with the place.
    told: Vec<(String, String)>,
    is_closed: bool,
    /// Handlers were stopped.
    gave_up: bool,
}

fn acts(with_requests: bool) -> impl Strategy<Value = Vec<Act>> {
    let event = prop_oneof![
        3 => Just(events::CONNECT),
        1 => Just(events::DISCONNECT),
        3 => Just(events::JOIN),
        2 => Just(events::LEAVE),
        1 => Just(events::LEFT),
        1 => Just(events::CONNECTED),
        4 => Just("chat"),
    ];
    let places = (0..NAMESPACES.len(), 0..ROOMS.len());
    let weight = u32::from(with_requests);
    let act = prop_oneof![
        12 => (event, places.clone(), prop::bool::weighted(0.8)).prop_map(|(event, (namespace, room), is_ask)| Act::Send { event, namespace, room, is_ask }),
        1 => prop::collection::vec(any::<u8>(), 0..12).prop_map(Act::SendBytes),
        12 => any::<u8>().prop_map(Act::EndJob),
        4 * weight => any::<bool>().prop_map(|is_error| Act::Reply { is_error }),
        4 * weight => (any::<u8>(), places).prop_map(|(what, (namespace, room))| Act::Begin { what, namespace, room }),
        8 * weight => (0..8_usize, prop::bool::weighted(0.8)).prop_map(|(nth, consents)| Act::Step { nth, consents }),
        weight => (0..8_usize).prop_map(|nth| Act::GiveUp { nth }),
        1 => any::<u16>().prop_map(Act::Wait),
        1 => Just(Act::Drain),
    ];
    prop::collection::vec(act, 1..80)
}

impl World {
    fn new(side: TestSide) -> Self {
        let now = Instant::now();
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

    fn run(&mut self, acts: &[Act]) {
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

    /// Lets the handlers do what the peer has asked for: each request gets its reply.
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

    /// Handles the deadlines that have passed. They come to an end.
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

    fn receive(&mut self, data: Bytes) {
        if !self.is_read() {
            return;
        }
        let action = self.session.handle_frame(RawMessage { kind: Kind::Text, data }, self.now, &self.side);
        self.perform(action);
    }

    /// One turn of the driver.
    fn turn(&mut self) {
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

    fn perform(&mut self, action: Option<Action<usize>>) {
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
                self.change_index(change);
                self.session.confirm_membership();
                self.note_reply(reply);
            }
            Some(Action::Deliver(change, nth, _reply)) => {
                if let Some(change) = change {
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

    fn end_job(&mut self, how: u8) {
        let action = match self.job.take() {
            Some(Job::Handler(message)) => self.session.handle_handler_done(message, outcome(how), &self.side),
            Some(Job::Admission) => self.session.handle_admission((how > 250).then(refusal), &self.side),
            Some(Job::Wait | Job::Hook) => self.session.continue_work(&self.side),
            None => None,
        };
        self.perform(action);
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
        if self.requests.len() < 8 && !self.is_closed {
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

    fn change_index(&mut self, change: IndexChange) {
        // A connection that has ended is in no index.
        if self.is_closed {
            return;
        }
        match change {
            IndexChange::Connect(namespace) => drop(self.index.entry(namespace.to_string()).or_default()),
            IndexChange::Disconnect(namespace, rooms) => {
                let known = self.index.remove(&*namespace).unwrap_or_default();
                assert_eq!(known, rooms.iter().map(ToString::to_string).collect());
            }
            IndexChange::Join(namespace, room) => {
                let rooms = self.index.get_mut(&*namespace).expect("rooms are inside a namespace");
                assert!(rooms.insert(room.to_string()), "joined twice");
            }
            IndexChange::Leave(namespace, room) => {
                let rooms = self.index.get_mut(&*namespace).expect("rooms are inside a namespace");
                assert!(rooms.remove(&*room), "left twice");
            }
        }
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
            events::CONNECTED | events::JOINED | events::LEFT => self.told.push((event.to_owned(), place)),
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

    /// Every request of this side has ended, or is about to. The handlers got each event once, and in order.
    fn check_end(&self) {
        assert!(self.requests.iter().all(|request| request.stage != Stage::Asked), "a request waits for ever");
        // Handlers that took too long after the end get no more events.
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
    Refusal { text: "no".into(), close: crate::websocket::CloseFrame::new(CloseCode::POLICY, "no") }
}

fn small(mut side: TestSide) -> TestSide {
    let ack = GreetingLimits { frames: EARLY, ..SessionLimits::default().ack };
    side.limits = SessionLimits { max_inbox_events: WAITING, ack, ..side.limits };
    side
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_servers_session_keeps_its_promises_whatever_the_client_sends(acts in acts(false)) {
        World::new(small(TestSide::server())).run(&acts);
    }

    #[test]
    fn a_servers_session_keeps_its_promises_beside_requests_of_the_server(acts in acts(true)) {
        World::new(small(TestSide::server())).run(&acts);
    }

    #[test]
    fn a_clients_session_keeps_its_promises_whatever_the_server_sends(acts in acts(false)) {
        World::new(small(TestSide::client())).run(&acts);
    }

    #[test]
    fn a_clients_session_keeps_its_promises_beside_its_requests(acts in acts(true)) {
        World::new(small(TestSide::client())).run(&acts);
    }
}

#[test]
fn nothing_is_sent_to_a_place_before_the_reply_that_confirms_it() {
    let mut world = World::new(TestSide::server());
    world.end_job(0);
    world.turn();
    let may_send = |world: &World, room: &str| {
        world.session.may_send(&Message::new("chat", "").in_namespace("a").to_room(room)).is_ok()
    };
    for (event, room) in [(events::CONNECT, ""), (events::JOIN, "r")] {
        world.receive(format!("$1;a;{room};{event};0;0;").into());
        let mut action = world.session.poll_action(&world.side);
        while !matches!(action, Some(Action::Index(..))) {
            action = match action {
                Some(Action::Run(_, message)) => {
                    world.session.handle_handler_done(message, Outcome::Nothing, &world.side)
                }
                Some(_) => world.session.continue_work(&world.side),
                None => panic!("the change never takes effect"),
            };
        }
        assert!(!may_send(&world, room), "{event}");
        assert!(room.is_empty() || may_send(&world, ""), "the namespace is confirmed");
        world.session.confirm_membership();
        assert!(may_send(&world, room), "{event}");
        world.replies.clear();
        let rest = world.session.continue_work(&world.side);
        world.perform(rest);
        while world.job.is_some() {
            world.end_job(0);
        }
    }
}

#[test]
fn a_request_ends_a_pause_of_reading_once() {
    let mut world = World::new(TestSide::server());
    world.end_job(0);
    let ask = |world: &mut World| {
        let pending = OpenAsk { namespace: "a".into(), effect: Effect::Nothing, waiter: 0 };
        world.session.open_ask(new_token(), pending, 0).unwrap()
    };
    assert!(!ask(&mut world), "nothing was paused");
    assert!(!world.session.pause_until_asked(), "the reply must be read");
    world.session.asks.close_all();
    assert!(world.session.pause_until_asked());
    assert!(ask(&mut world));
    assert!(!ask(&mut world));
}
