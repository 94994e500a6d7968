//! The task of a client: drives its connection, reconnects after a loss, and restores namespaces and rooms.

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
use crate::random::random;
use crate::websocket::{CloseCode, CloseFrame};

pub(super) type ChangeHook = Arc<dyn Fn(&Change) + Send + Sync>;

pub(super) struct Keeper {
    pub(super) line: Arc<Line>,
    pub(super) dialer: Dialer,
    pub(super) reconnect: Option<Reconnect>,
    pub(super) on_change: Option<ChangeHook>,
}

/// A new connection after a loss, and the number of attempts that it needed.
struct Return {
    dialled: Dialled,
    tries: u32,
}

impl Keeper {
    /// Runs until the connection has ended and the client does not reconnect.
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

    /// Dials until the server accepts this client again. Returns the last loss if the client stops trying.
    async fn come_back(&self, lost: &Peer, mut tries: u32) -> Result<Return, Loss> {
        let mut loss = Loss::closed(lost.end_reason());
        let Some(policy) = self.reconnect.as_ref().filter(|_| !self.line.is_closing()) else { return Err(loss) };
        self.tell(&Change::Lost { close: lost.end_reason() });
        while wants(policy, &loss, tries) {
            let delay = policy.delay(&loss, tries, random());
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

    /// Restores the namespaces, in order, and then their rooms. If this connection is lost meanwhile, the next one
    /// restores the remaining ones.
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

    /// Calls the application's hook. A panic there is logged and affects nothing else.
    fn tell(&self, change: &Change) {
        let Some(hook) = &self.on_change else { return };
        if std::panic::catch_unwind(AssertUnwindSafe(|| hook(change))).is_err() {
            tracing::error!("a client's on_change callback panicked");
        }
    }
}

/// Asks the policy. A panic of the application's decision counts as no, so that waiting calls still learn of the end.
fn wants(policy: &Reconnect, loss: &Loss, tries: u32) -> bool {
    std::panic::catch_unwind(AssertUnwindSafe(|| policy.wants(loss, tries))).unwrap_or_else(|_panic| {
        tracing::error!("a client's retry_if callback panicked");
        false
    })
}
