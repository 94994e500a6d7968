//! What an application registered, behind the trait that connections call.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, Weak};

use http::request::Parts;

use super::events::Namespaces;
use super::handler::refused;
use super::hooks::{ConnectHook, DisconnectHook, Observers};
use crate::connection::{Application, Closed, OutcomeFuture, Peer, Running};
use crate::error::Error;
use crate::handles::{Accepted, ClientSide, Conn, Line, ServerSide};
use crate::message::Message;
use crate::message::wire::NativeMode;
use crate::session::Memberships;

/// A server's handlers and hooks.
#[derive(Debug)]
pub(crate) struct ServerApplication {
    pub(crate) namespaces: Namespaces<ServerSide>,
    pub(crate) hooks: Hooks,
}

#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) on_connect: Option<ConnectHook>,
    pub(crate) on_disconnect: Option<DisconnectHook>,
    pub(crate) observers: Observers,
    pub(crate) keeps_requests: bool,
}

impl Application for ServerApplication {
    fn native_mode(&self) -> NativeMode {
        self.namespaces.native_mode()
    }

    fn namespace(&self, name: &str) -> Option<Arc<str>> {
        self.namespaces.name(name)
    }

    fn start(&self, peer: &Arc<Peer>, namespace: Arc<str>, message: Box<Message>) -> Result<Running, Box<Message>> {
        match self.namespaces.handler(&namespace, message.event()) {
            Some(handler) => Ok(handler.start(Accepted::new(peer.clone()), namespace, message)),
            None => Err(message),
        }
    }

    fn open(&self, peer: &Arc<Peer>, request: &Arc<Parts>) -> Option<OutcomeFuture> {
        if self.hooks.keeps_requests {
            peer.keep_request(request);
        }
        let hook = self.hooks.on_connect.as_ref()?;
        Some(hook(Conn::opening(peer.clone()), request.clone()))
    }

    fn end(&self, peer: &Arc<Peer>) -> Option<OutcomeFuture> {
        let hook = self.hooks.on_disconnect.as_ref()?;
        Some(hook(Conn::new(peer.clone())))
    }

    fn note_opened(&self, peer: &Arc<Peer>) {
        self.hooks.observers.tell_opened(|| Conn::new(peer.clone()));
    }

    fn note_closed(&self, closed: &dyn Fn() -> Closed) {
        self.hooks.observers.tell_closed(closed);
    }

    fn note_refused(&self, client: Option<IpAddr>) {
        self.hooks.observers.tell_refused(client);
    }
}

/// A client's handlers, and the connection handle that they receive.
#[derive(Debug)]
pub(crate) struct ClientApplication {
    namespaces: Namespaces<ClientSide>,
    /// Set once the first connection is established.
    line: OnceLock<Weak<Line>>,
}

impl ClientApplication {
    pub(crate) fn new(namespaces: Namespaces<ClientSide>) -> Self {
        Self { namespaces, line: OnceLock::new() }
    }

    pub(crate) fn set_line(&self, line: &Arc<Line>) {
        // There is one line, which is set once.
        self.line.set(Arc::downgrade(line)).ok();
    }

    fn line(&self) -> Option<Arc<Line>> {
        self.line.get()?.upgrade()
    }
}

impl Application for ClientApplication {
    fn native_mode(&self) -> NativeMode {
        self.namespaces.native_mode()
    }

    fn namespace(&self, name: &str) -> Option<Arc<str>> {
        self.namespaces.name(name)
    }

    fn start(&self, _peer: &Arc<Peer>, namespace: Arc<str>, message: Box<Message>) -> Result<Running, Box<Message>> {
        let Some(handler) = self.namespaces.handler(&namespace, message.event()) else { return Err(message) };
        Ok(match self.line() {
            Some(line) => handler.start(line, namespace, message),
            // Every handle of the client was dropped.
            None => Running::new(message, refused(Error::closed())),
        })
    }

    fn note_connected(&self) {
        if let Some(line) = self.line() {
            line.entered();
        }
    }

    fn note_parted(&self, memberships: &Memberships) {
        if let Some(line) = self.line() {
            line.parted(memberships);
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
