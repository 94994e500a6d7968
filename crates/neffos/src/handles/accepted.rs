//! The connection inside a server's handles, from its beginning to its end.

use std::sync::{Arc, Mutex};

use super::connection_ref::ConnectionRef;
use crate::connection::{Peer, Values};
use crate::error::Error;
use crate::message::Message;
use crate::websocket::CloseFrame;

/// A connection that a server accepted.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    peer: Arc<Peer>,
    stage: HandleStage,
}

/// The place where the application received the handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HandleStage {
    /// In `on_connect`, where a call on the handle admits the connection.
    Opening,
    Open,
}

impl Accepted {
    pub(crate) fn new(peer: Arc<Peer>) -> Self {
        Self { peer, stage: HandleStage::Open }
    }

    pub(super) fn opening(peer: Arc<Peer>) -> Self {
        Self { peer, stage: HandleStage::Opening }
    }

    pub(super) fn borrow(&self) -> &Arc<Peer> {
        &self.peer
    }
}

impl ConnectionRef for Accepted {
    fn peer(&self) -> Arc<Peer> {
        self.peer.clone()
    }

    fn values(&self) -> &Mutex<Values> {
        self.peer.values()
    }

    fn identity(&self) -> usize {
        Arc::as_ptr(&self.peer).addr()
    }

    fn admit(&self) {
        if self.stage == HandleStage::Opening {
            self.peer.session().admit();
            // The call may come from another task. The connection's task answers the greeting, so it must wake.
            self.peer.waker.wake();
        }
    }

    fn send(&self, message: Message) -> Result<(), Error> {
        match self.is_closed() {
            true => Err(Error::closed()),
            false => self.peer.send(&message),
        }
    }

    fn renounce(&self, _namespace: &str, _room: Option<&str>) -> bool {
        false
    }

    fn gone(&self) -> Error {
        Error::closed()
    }

    fn close(&self, frame: &CloseFrame) {
        self.peer.close(Some(frame));
    }

    fn is_closed(&self) -> bool {
        self.peer.is_closed()
    }

    async fn closed(&self) -> Option<CloseFrame> {
        self.peer.ended().await;
        self.peer.end_reason()
    }
}
