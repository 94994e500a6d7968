//! The task behind a client: drives its connection, and when that is lost, has it back with all that it was in.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::dial::{Dialer, Dialled};
use super::reconnect::{Change, Loss, Missing, Reconnect};
use crate::connection::requests::{connect, join};
use crate::connection::{Peer, drive};
use crate::error::Error;
use crate::fanout::Member;
use crate::handles::Line;
use crate::websocket::{CloseCode, CloseFrame};

pub(super) type ChangeHook = Arc<dyn Fn(&Change) + Send + Sync>;

pub(super) struct Keeper {
    pub(super) line: Arc<Line>,
    pub(super) dialer: Dialer,
    pub(super) reconnect: Option<Reconnect>,
    pub(super) on_change: Option<ChangeHook>,
}

/// A connection that is had back, and what it took.
struct Return {
    dialled: Dialled,
    tries: u32,
}

impl Keeper {
    /// Runs until the connection has ended for good.
    pub(super) async fn run(self, first: Dialled) {
        let mut peer = first.peer.clone();
        let mut since = Instant::now();
        let mut tries = 0;
        drive(first.peer, first.start, ()).await;
        loop {
            if self.reconnect.as_ref().is_some_and(|policy| policy.is_stable(since.elapsed())) {
                tries = 0;
            }
            let back = match self.come_back(&peer, tries).await {
                Ok(back) => back,
                Err(loss) => return self.end(&peer, loss),
            };
            (peer, tries, since) = (back.dialled.peer.clone(), back.tries, Instant::now());
            self.line.reached(&peer);
            if self.line.is_closing() {
                peer.close(Some(&CloseFrame::new(CloseCode::NORMAL, "")));
            }
            let Dialled { peer: driven, start } = back.dialled;
            tokio::join!(drive(driven, start, ()), self.restore(&peer, tries));
        }
    }

    /// Dials until the server has welcomed this client again; says why not when it is given up.
    async fn come_back(&self, lost: &Peer, mut tries: u32) -> Result<Return, Loss> {
        let mut loss = Loss::closed(lost.end_reason());
        let Some(policy) = self.reconnect.as_ref().filter(|_| !self.line.is_closing()) else { return Err(loss) };
        self.tell(&Change::Lost { close: lost.end_reason() });
        while wants(policy, &loss, tries) {
            let delay = policy.delay(&loss, tries, rand::random());
            tries += 1;
            self.tell(&Change::Trying { tries, delay });
            let attempt = async {
                sleep(delay).await;
                self.dialer.dial(tries).await
            };
            let dialled = tokio::select! {
                dialled = attempt => dialled,
                () = self.line.closing() => return Err(loss),
            };
            match dialled {
                Ok(dialled) => return Ok(Return { dialled, tries }),
                Err(err) => loss = Loss::failed(err),
            }
        }
        Err(loss)
    }

    /// Asks for the namespaces, in order, and then for their rooms. Whatever is lost again is asked for the next time.
    async fn restore(&self, peer: &Arc<Peer>, tries: u32) {
        let mut missing = Vec::new();
        for (namespace, room) in self.line.wanted() {
            let Err(error) = self.restore_one(peer, &namespace, room.as_deref()).await else { continue };
            if peer.is_closed() {
                return;
            }
            self.line.give_up(&namespace, room.as_deref());
            missing.push(Missing { namespace, room, error });
        }
        let unsent = self.line.mended();
        self.tell(&Change::Back { id: peer.id().clone(), tries, missing, unsent });
    }

    async fn restore_one(&self, peer: &Arc<Peer>, namespace: &Arc<str>, room: Option<&str>) -> Result<(), Error> {
        let is_there = peer.session().membership().is_in(namespace, room);
        match room {
            _ if is_there || !self.line.is_wanted(namespace, room) => Ok(()),
            None => connect(peer, namespace).await.map(drop),
            Some(room) => join(peer, namespace, room).await.map(drop),
        }
    }

    fn end(&self, peer: &Peer, loss: Loss) {
        let close = peer.end_reason();
        self.line.ended(close.clone());
        if self.reconnect.is_some() {
            self.tell(&Change::Ended { close, error: loss.into_error() });
        }
    }

    /// A panic of the application's harms nothing else.
    fn tell(&self, change: &Change) {
        let Some(hook) = &self.on_change else { return };
        if std::panic::catch_unwind(AssertUnwindSafe(|| hook(change))).is_err() {
            tracing::error!("a client's on_change callback panicked");
        }
    }
}

/// A decision of the application's that panics is a no: who waits for the end must be told of it.
fn wants(policy: &Reconnect, loss: &Loss, tries: u32) -> bool {
    std::panic::catch_unwind(AssertUnwindSafe(|| policy.wants(loss, tries))).unwrap_or_else(|_panic| {
        tracing::error!("a client's retry_if callback panicked");
        false
    })
}
