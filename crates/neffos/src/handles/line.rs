//! [`Line`]: the connection inside a client's handles. It spans the connections that a client makes one after the
//! other.
//!
//! After a lost connection, the line remembers its namespaces and rooms, which the client restores. Meanwhile it keeps
//! or refuses the messages that the application sends. It does not dial, and it has no schedule.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::connection_ref::ConnectionRef;
use crate::connection::{Hub, Peer, Values};
use crate::error::Error;
use crate::message::Message;
use crate::session::{Membership, Memberships};
use crate::time_limit;
use crate::websocket::CloseFrame;

pub(crate) struct Line {
    hub: Arc<Hub>,
    recovery: Recovery,
    state: Mutex<LineState>,
    values: Mutex<Values>,
    /// Notified when a namespace is connected and when the line ends.
    changed: Notify,
    /// Cancelled when the application closes the line.
    closing: CancellationToken,
    end: watch::Sender<Option<End>>,
}

/// Whether the client reconnects after a lost connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    Never,
    With(Away),
}

/// The policy for messages that are sent while the connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Away {
    Refuse,
    /// Keeps at most this many messages, and as many bytes as an outbox holds.
    Keep(usize),
}

/// The final end of the line.
#[derive(Debug, Clone)]
struct End(Option<CloseFrame>);

struct LineState {
    /// The current connection, or the last one.
    peer: Arc<Peer>,
    phase: LinePhase,
    /// The namespaces and rooms to restore.
    wanted: Membership,
    kept: VecDeque<Message>,
    kept_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinePhase {
    Whole,
    /// The connection is lost, or not everything is restored yet.
    Broken,
}

impl Line {
    pub(crate) fn new(hub: &Arc<Hub>, peer: &Arc<Peer>, recovery: Recovery) -> Arc<Self> {
        let state = LineState {
            peer: peer.clone(),
            phase: LinePhase::Whole,
            wanted: Membership::default(),
            kept: VecDeque::new(),
            kept_bytes: 0,
        };
        Arc::new(Self {
            hub: hub.clone(),
            recovery,
            state: Mutex::new(state),
            values: Mutex::default(),
            changed: Notify::new(),
            closing: CancellationToken::new(),
            end: watch::Sender::new(None),
        })
    }

    /// Records that the connection ended, and which memberships it had.
    pub(crate) fn parted(&self, memberships: &Memberships) {
        let mut state = self.state();
        state.phase = LinePhase::Broken;
        for (namespace, rooms) in memberships {
            state.wanted.connect(namespace);
            for room in rooms {
                state.wanted.join(namespace, room);
            }
        }
    }

    /// Sets a new connection. Messages are still kept until [`Line::mended`].
    pub(crate) fn reached(&self, peer: &Arc<Peer>) {
        let mut state = self.state();
        (state.peer, state.phase) = (peer.clone(), LinePhase::Broken);
    }

    /// Returns what to restore: first the namespaces, in the order of their first connects, then their rooms.
    pub(crate) fn wanted(&self) -> Vec<(Arc<str>, Option<Arc<str>>)> {
        let wanted = self.state().wanted.all().clone();
        let namespaces: Vec<_> = wanted.iter().map(|(namespace, _)| (namespace.clone(), None)).collect();
        let rooms = wanted
            .into_iter()
            .flat_map(|(namespace, rooms)| rooms.into_iter().map(move |room| (namespace.clone(), Some(room))));
        namespaces.into_iter().chain(rooms).collect()
    }

    pub(crate) fn is_wanted(&self, namespace: &str, room: Option<&str>) -> bool {
        self.state().wanted.is_in(namespace, room)
    }

    /// Forgets a namespace or room that cannot be restored.
    pub(crate) fn give_up(&self, namespace: &str, room: Option<&str>) {
        self.state().give_up(namespace, room);
    }

    /// Ends the restoration: sends the kept messages in order, and returns how many could not be sent.
    pub(crate) fn mended(&self) -> usize {
        // Dropping a body may run code of the application, so it happens after the lock.
        let kept;
        let mut state = self.state();
        kept = std::mem::take(&mut state.kept);
        let unsent = kept.iter().filter(|message| state.peer.send(message).is_err()).count();
        (state.phase, state.kept_bytes) = (LinePhase::Whole, 0);
        state.wanted.take();
        unsent
    }

    /// Ends the line. The client does not reconnect.
    pub(crate) fn ended(&self, frame: Option<CloseFrame>) {
        let kept = {
            let mut state = self.state();
            state.wanted.take();
            std::mem::take(&mut state.kept)
        };
        drop(kept);
        self.end.send_replace(Some(End(frame)));
        self.changed.notify_waiters();
    }

    /// Notifies waiting calls that a namespace was connected.
    pub(crate) fn entered(&self) {
        self.changed.notify_waiters();
    }

    /// Waits until the application has closed the line.
    pub(crate) async fn closing(&self) {
        self.closing.cancelled().await;
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Waits until the server has connected `namespace`.
    pub(super) async fn wait_for(&self, namespace: &str) -> Result<Arc<str>, Error> {
        let name = self.hub.app.namespace(namespace).ok_or_else(Error::bad_namespace)?;
        let connected = time_limit::within(self.hub.limits.ask_timeout, self.connected(&name)).await;
        connected.map_err(|_| Error::timeout())??;
        Ok(name)
    }

    async fn connected(&self, namespace: &str) -> Result<(), Error> {
        loop {
            let changed = self.changed.notified();
            if self.peer_of_now().session().membership().is_connected(namespace) {
                return Ok(());
            }
            if self.end.borrow().is_some() {
                return Err(Error::closed());
            }
            changed.await;
        }
    }

    fn peer_of_now(&self) -> Arc<Peer> {
        self.state().peer.clone()
    }

    fn comes_back(&self) -> bool {
        self.recovery != Recovery::Never && !self.is_closing() && self.end.borrow().is_none()
    }

    /// No code of the application runs under this lock.
    fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LineState {
    /// Returns whether the namespace or room was to be restored.
    fn give_up(&mut self, namespace: &str, room: Option<&str>) -> bool {
        match room {
            None => self.wanted.disconnect(namespace).is_some(),
            Some(room) => self.wanted.leave(namespace, room),
        }
    }

    /// Returns whether the current connection is alive and in this namespace or room.
    fn is_in(&self, namespace: &str, room: Option<&str>) -> bool {
        self.was_in(namespace, room) && !self.peer.is_closed()
    }

    fn was_in(&self, namespace: &str, room: Option<&str>) -> bool {
        self.peer.session().membership().is_in(namespace, room)
    }

    /// Sends `message` if its namespace and room are restored already. Otherwise keeps or refuses it.
    fn send_meanwhile(&mut self, message: &Message, away: Away, most_bytes: usize) -> Result<(), Error> {
        let (namespace, room) = (message.namespace(), message.room());
        if self.is_in(namespace, room) && self.kept.is_empty() {
            return self.peer.send(message);
        }
        let Away::Keep(most) = away else { return Err(Error::lost()) };
        let is_known = |room| self.wanted.is_in(namespace, room) || self.was_in(namespace, room);
        if !is_known(None) {
            return Err(Error::bad_namespace());
        }
        if !is_known(room) {
            return Err(Error::bad_room());
        }
        let bytes = self.kept_bytes + message.size();
        if self.kept.len() >= most || (most_bytes > 0 && bytes > most_bytes) {
            return Err(Error::full());
        }
        self.kept.push_back(message.clone());
        self.kept_bytes = bytes;
        Ok(())
    }
}

impl ConnectionRef for Arc<Line> {
    fn peer(&self) -> Arc<Peer> {
        self.peer_of_now()
    }

    fn values(&self) -> &Mutex<Values> {
        &self.values
    }

    fn identity(&self) -> usize {
        Self::as_ptr(self).addr()
    }

    /// Does nothing: a client's connection is admitted before the application has a handle to it.
    fn admit(&self) {}

    fn send(&self, message: Message) -> Result<(), Error> {
        let mut state = self.state();
        if state.phase == LinePhase::Whole && !state.peer.is_closed() {
            let peer = state.peer.clone();
            drop(state);
            return peer.send(&message).map_err(|err| if err.is_closed() { self.gone() } else { err });
        }
        match self.recovery {
            Recovery::With(away) if self.comes_back() => {
                state.send_meanwhile(&message, away, self.hub.limits.outbox.bytes)
            }
            _ => Err(Error::closed()),
        }
    }

    fn renounce(&self, namespace: &str, room: Option<&str>) -> bool {
        let mut state = self.state();
        let was_wanted = state.phase == LinePhase::Broken && state.give_up(namespace, room);
        was_wanted && !state.is_in(namespace, room)
    }

    fn gone(&self) -> Error {
        if self.comes_back() { Error::lost() } else { Error::closed() }
    }

    /// First marks the line as closing: a connection that is set later is then closed by the task that set it.
    fn close(&self, frame: &CloseFrame) {
        self.closing.cancel();
        self.peer_of_now().close(Some(frame));
    }

    fn is_closed(&self) -> bool {
        !self.comes_back() && self.peer_of_now().is_closed()
    }

    async fn closed(&self) -> Option<CloseFrame> {
        let mut end = self.end.subscribe();
        // The sender lives as long as `self`.
        let ended = end.wait_for(Option::is_some).await.ok()?;
        ended.as_ref()?.0.clone()
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (peer, phase) = {
            let state = self.state();
            (state.peer.clone(), state.phase)
        };
        f.debug_struct("Line").field("peer", &peer).field("phase", &phase).finish_non_exhaustive()
    }
}
