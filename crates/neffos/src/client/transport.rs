//! [`Transport`]: an open websocket of a client.

use bytes::Bytes;
use tokio::net::TcpStream;

use crate::connection::Stream;

/// An open websocket, and the bytes that followed its handshake.
pub(super) enum Transport {
    Tcp(TcpStream, Bytes),
    Other(Box<dyn Stream>, Bytes),
}
