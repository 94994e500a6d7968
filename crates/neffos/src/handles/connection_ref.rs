//! What a handle holds of its connection.

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::connection::{Peer, Values};
use crate::error::Error;
use crate::message::Message;
use crate::websocket::CloseFrame;

/// What a handle holds of its connection.
pub(crate) trait ConnectionRef: Clone + fmt::Debug + Send + Sync + 'static {
    /// The connection of this moment.
    fn peer(&self) -> Arc<Peer>;

    /// What the application keeps.
    fn values(&self) -> &Mutex<Values>;

    fn is_same(&self, other: &Self) -> bool;

    /// Before a request to connect: a connection that waits for its welcome is welcome.
    fn admit(&self);

    /// Sends a message, or keeps it until that is possible.
    fn send(&self, message: Message) -> Result<(), Error>;

    /// Drops the wish to be in a place, when that is all there is of it at this moment; false when there is more.
    fn renounce(&self, namespace: &str, room: Option<&str>) -> bool;

    /// What a call reports to which the connection's end came first.
    fn gone(&self) -> Error;

    fn close(&self, frame: &CloseFrame);

    fn is_closed(&self) -> bool;

    /// Waits for the end, and returns the close frame that it came with.
    fn closed(&self) -> impl Future<Output = Option<CloseFrame>> + Send;
}
