//! [`Exclude`]: the connections that a broadcast leaves out.

use crate::fanout::{Except, Member};
use crate::handles::{Conn, NsConn, Room};

/// The connections that a broadcast leaves out: one connection, or all connections with one id.
///
/// # Examples
///
/// ```
/// # use neffos::{Events, Exclude, Message, Server};
/// # let server = Server::builder().namespace("default", Events::new()).build()?;
/// server.broadcast_except(Exclude::id("user-42"), Message::new("left", "user-42").in_namespace("default"));
/// # Ok::<(), neffos::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Exclude(Except);

impl Exclude {
    /// Excludes every connection with this id.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// server.broadcast_except(Exclude::id("user-42"), Message::new("typing", "user-42").in_namespace("default"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn id(id: impl Into<String>) -> Self {
        Self(Except::Id(id.into().into()))
    }

    pub(super) fn except(&self) -> &Except {
        &self.0
    }
}

impl From<&Conn> for Exclude {
    fn from(conn: &Conn) -> Self {
        Self(Except::Member(conn.peer().key()))
    }
}

impl From<&NsConn> for Exclude {
    fn from(ns: &NsConn) -> Self {
        ns.conn().into()
    }
}

impl From<&Room> for Exclude {
    fn from(room: &Room) -> Self {
        room.ns().into()
    }
}
