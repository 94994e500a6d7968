//! The actions of the session. Most are complete at once. A handler, a hook, and a wait for other nodes or for the
//! fan-out become a job, one at a time.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Driver;
use crate::connection::hub::Hub;
use crate::connection::running::{OutcomeFuture, Running};
use crate::connection::waiter::Waiter;
use crate::exchange::Claim;
use crate::fanout::Member;
use crate::message::Message;
use crate::session::{self, Action, AfterHandler, Dropped, IndexChange, Outcome, Refusal, ReplyAndClose, Session};
use crate::websocket::{self, CloseCode, CloseFrame, Role};

/// An incomplete action of the session.
pub(super) enum Job {
    /// The handler of an event.
    Handler(Running),
    /// `on_connect`.
    Admission(OutcomeFuture),
    /// `on_disconnect`.
    Farewell(OutcomeFuture),
    /// A wait for other nodes or for the fan-out.
    Wait(BoxFuture<'static, Option<Claim>>),
}

/// The result of a job.
enum Done {
    Handler(Box<Message>, Outcome),
    Admission(Outcome),
    Waited(Option<Claim>),
}

impl Driver {
    /// Performs the action that must not wait for handlers. Returns true if there was one.
    pub(super) fn poll_urgent(&mut self) -> bool {
        !self.is_greeted && self.poll_greeting()
    }

    #[cold]
    fn poll_greeting(&mut self) -> bool {
        let action = {
            let mut session = self.peer.session();
            self.is_greeted = session.is_greeted();
            session.poll_urgent()
        };
        self.perform_if_any(action)
    }

    /// Continues the current work, or begins the next. Returns false if there is nothing to do.
    pub(super) fn poll_work(&mut self, cx: &mut Context<'_>) -> bool {
        let is_job = self.job.is_some();
        if !is_job && self.is_idle {
            return self.poll_urgent();
        }
        let mut next = match is_job {
            true => self.poll_job(cx),
            false => Poll::Ready(self.ask_session(|session, hub| session.poll_action(hub))),
        };
        let mut did_something = is_job && next.is_ready();
        while let Poll::Ready(Some(action)) = next {
            did_something = true;
            next = match action {
                Action::Run(namespace, message) => self.run(namespace, message, cx),
                other => {
                    self.perform(other);
                    self.poll_job(cx)
                }
            };
        }
        self.note_job();
        // `on_connect` may have decided.
        did_something | self.poll_urgent()
    }

    /// Charges the message that a handler has, and releases the claim when the change is complete.
    fn note_job(&mut self) {
        let handled = self.job.as_ref().map_or(0, |job| job.size() + self.peer.session().bytes_at_hand());
        self.peer.input().set_handled(handled);
        if !self.is_at_work {
            self.claim = None;
        }
    }

    /// Returns the next action of the current work. Pending while the job runs.
    fn poll_job(&mut self, cx: &mut Context<'_>) -> Poll<Option<Action<Waiter>>> {
        let Some(job) = &mut self.job else { return Poll::Ready(self.continue_work()) };
        let done = ready!(job.poll(cx));
        self.job = None;
        Poll::Ready(match done {
            Done::Handler(message, outcome) => self.handle_handler_done(message, outcome),
            Done::Admission(outcome) => self.handle_admission(outcome),
            Done::Waited(claim) => {
                if let Some(claim) = claim {
                    self.claim = Some(Box::new(claim));
                }
                self.continue_work()
            }
        })
    }

    /// Runs a handler. Most finish at once; only a handler that waits becomes a job.
    fn run(
        &mut self,
        namespace: Arc<str>,
        message: Box<Message>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Action<Waiter>>> {
        let mut running = match self.start(namespace, message) {
            Ok(running) => running,
            Err(message) => return Poll::Ready(self.handle_handler_done(message, Outcome::Unhandled)),
        };
        match running.poll_unpin(cx) {
            Poll::Ready((message, outcome)) => Poll::Ready(self.handle_handler_done(message, outcome)),
            Poll::Pending => {
                self.job = Some(Job::Handler(running));
                Poll::Pending
            }
        }
    }

    fn handle_handler_done(&mut self, message: Box<Message>, outcome: Outcome) -> Option<Action<Waiter>> {
        self.peer.report_failure(message.event(), &outcome);
        match self.ask_session(|session, hub| session.handle_handler_done(message, &outcome, hub)) {
            AfterHandler::Respond { message, may_reply } => {
                Some(session::respond(message, outcome, may_reply, self.peer.hub().role).into())
            }
            AfterHandler::Next(action) => action,
        }
    }

    fn continue_work(&mut self) -> Option<Action<Waiter>> {
        if !self.is_at_work {
            return None;
        }
        self.ask_session(|session, hub| session.continue_work(hub))
    }

    fn handle_admission(&mut self, outcome: Outcome) -> Option<Action<Waiter>> {
        if matches!(outcome, Outcome::Internal(_)) {
            self.peer.report_failure("on_connect", &outcome);
        }
        let refusal = outcome.refusal();
        if let Some(refusal) = &refusal {
            tracing::debug!(conn = &**self.peer.id(), reason = refusal.text.as_str(), "refused");
            self.peer.hub().app.note_refused(self.peer.client_ip());
        }
        self.ask_session(|session, hub| session.handle_admission(refusal, hub))
    }

    /// Asks the session for the next step. After most events it has none: then it is not asked again in this poll,
    /// before the next frame, and not whether to read either.
    fn ask_session<N>(&mut self, next: impl FnOnce(&mut Session<Waiter>, &Hub) -> N) -> N {
        let mut session = self.peer.session();
        let next = next(&mut session, self.peer.hub());
        self.is_at_work = session.is_at_work();
        self.is_idle = session.is_idle();
        self.reads_freely = self.is_idle;
        next
    }

    /// Performs the action, if there is one, and returns whether there was.
    pub(super) fn perform_if_any(&mut self, action: Option<Action<Waiter>>) -> bool {
        let is_some = action.is_some();
        if let Some(action) = action {
            self.perform(action);
        }
        is_some
    }

    /// Performs an action. An action that takes longer becomes the job.
    pub(super) fn perform(&mut self, action: Action<Waiter>) {
        match action {
            Action::Answer(answer) => self.answer(answer),
            Action::Run(namespace, message) => {
                let running = self.start(namespace, message).unwrap_or_else(Running::without_handler);
                self.job = Some(Job::Handler(running));
            }
            Action::Reach(namespace, room) => self.job = self.reach(namespace, room),
            Action::Settle => self.job = Some(Job::Wait(Box::pin(self.peer.settled().map(|()| None)))),
            Action::RunDisconnectHook => self.job = self.peer.hub().app.end(&self.peer).map(Job::farewell),
            Action::Index(change, reply) => self.peer.index(change, reply),
            Action::Welcome(frames) => self.welcome(frames),
            Action::Refuse(refusal) => self.refuse(&refusal),
            Action::Deliver(change, waiter, reply) => self.deliver(change, waiter, *reply),
            Action::CloseForRestart => self.close_for_restart(),
            Action::CountPause(kind) => self.peer.hub().rate_counts.add_pause(kind),
            Action::CloseForRate => self.close_for_rate(),
            Action::Close(frame) => self.peer.close(Some(&frame)),
            Action::Dropped(dropped) => self.note_dropped(&dropped),
        }
    }

    /// Waits until other nodes deliver to the place. Without an exchange there is nothing to wait for.
    fn reach(&self, namespace: Arc<str>, room: Option<Arc<str>>) -> Option<Job> {
        self.peer.hub().exchange.as_ref()?;
        Some(Job::Wait(Box::pin(self.peer.clone().reach(namespace, room))))
    }

    /// Starts a handler. If there is none, returns the message.
    fn start(&self, namespace: Arc<str>, mut message: Box<Message>) -> Result<Running, Box<Message>> {
        // When the handler broadcasts the ask, only this connection receives the token.
        message.set_asker(self.peer.key());
        let hub = self.peer.hub();
        hub.app.start(&self.peer, namespace, message).inspect_err(|message| {
            hub.note_unhandled(message.namespace(), message.event());
        })
    }

    fn answer(&self, ReplyAndClose { reply, close }: ReplyAndClose) {
        if let Some(reply) = reply {
            self.peer.reply(reply);
        }
        if let Some(frame) = close {
            self.peer.close(Some(&frame));
        }
    }

    fn welcome(&mut self, early: Vec<session::RawMessage>) {
        self.peer.control(websocket::text(Role::Server, "A", self.peer.id()));
        self.peer.tell_acknowledged();
        for frame in early {
            self.receive_message(frame);
        }
    }

    fn refuse(&self, refusal: &Refusal) {
        self.peer.control(websocket::text(Role::Server, "H", &refusal.text));
        self.peer.close(Some(&refusal.close));
    }

    fn deliver(&self, change: Option<IndexChange>, waiter: Waiter, reply: Message) {
        match change {
            Some(change) => self.peer.index(change, None),
            None => self.peer.account(),
        }
        waiter.answer(reply);
    }

    fn close_for_rate(&self) {
        if !self.peer.is_closed() {
            self.peer.hub().rate_counts.add_close();
            self.peer.close(Some(&CloseFrame::new(CloseCode::POLICY, "sent too much at once")));
        }
    }

    fn note_dropped(&self, dropped: &Dropped) {
        let conn = &**self.peer.id();
        match dropped {
            Dropped::LateReply => tracing::debug!(conn, "dropped a late reply"),
            Dropped::Invalid(reason) => tracing::debug!(conn, %reason, "dropped an invalid message"),
        }
    }
}

impl Job {
    /// Creates the job. A panic of the hook becomes its outcome.
    pub(super) fn admission(hook: OutcomeFuture) -> Self {
        Self::Admission(guarded(hook))
    }

    fn farewell(hook: OutcomeFuture) -> Self {
        Self::Farewell(guarded(hook))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Done> {
        Poll::Ready(match self {
            Self::Handler(running) => {
                let (message, outcome) = ready!(running.poll_unpin(cx));
                Done::Handler(message, outcome)
            }
            Self::Admission(hook) => Done::Admission(ready!(hook.poll_unpin(cx))),
            Self::Farewell(hook) => {
                ready!(hook.poll_unpin(cx));
                Done::Waited(None)
            }
            Self::Wait(wait) => Done::Waited(ready!(wait.poll_unpin(cx))),
        })
    }

    /// Returns the approximate memory of the message that a handler has.
    fn size(&self) -> usize {
        match self {
            Self::Handler(running) => running.message().map_or(0, session::event_size),
            Self::Admission(_) | Self::Farewell(_) | Self::Wait(_) => 0,
        }
    }
}

fn guarded(hook: OutcomeFuture) -> OutcomeFuture {
    let caught = AssertUnwindSafe(hook).catch_unwind();
    Box::pin(caught.map(|outcome| {
        outcome.unwrap_or_else(|_panic| {
            tracing::error!("a connect or disconnect callback panicked");
            Outcome::Panicked
        })
    }))
}
