//! [`ConnectionRef`]: the reference to a connection inside a handle.

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::connection::{Peer, Values};
use crate::error::Error;
use crate::message::Message;
use crate::websocket::CloseFrame;

/// The reference to a connection inside a handle.
pub(crate) trait ConnectionRef: Clone + fmt::Debug + Send + Sync + 'static {
    /// Returns the current connection.
    fn peer(&self) -> Arc<Peer>;

    /// Returns the values that the application stores.
    fn values(&self) -> &Mutex<Values>;

    /// Returns a number that no other connection has while this one has handles.
    fn identity(&self) -> usize;

    /// Admits a connection whose greeting is not answered yet. Called before a request to connect.
    fn admit(&self);

    /// Sends a message, or keeps it until the client has reconnected.
    fn send(&self, message: Message) -> Result<(), Error>;

    /// Removes a namespace or room from the list to restore. Returns true if the connection is not in it now, so that
    /// there is nothing more to leave.
    fn renounce(&self, namespace: &str, room: Option<&str>) -> bool;

    /// Returns the error of a call that the end of the connection interrupted.
    fn gone(&self) -> Error;

    fn close(&self, frame: &CloseFrame);

    fn is_closed(&self) -> bool;

    /// Waits for the end, and returns its close frame.
    fn closed(&self) -> impl Future<Output = Option<CloseFrame>> + Send;
}
