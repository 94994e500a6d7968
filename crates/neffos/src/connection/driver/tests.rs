//! The driver against a stream in memory.

use std::num::NonZeroUsize;

use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::task::yield_now;

use super::super::{Hub, Identity, Limits, Namespaces, Socket, StateMap};
use super::*;
use crate::fanout::Fanout;

/// A connection that is driven, and the client's side of its stream.
pub(crate) fn connected() -> (Arc<Peer>, DuplexStream) {
    let fanout = Fanout::new(NonZeroUsize::MIN, false);
    let hub = Arc::new(Hub::new(Limits::default(), Namespaces::default(), StateMap::default(), fanout));
    let (client, socket) = duplex(1024);
    let identity = Identity { id: "anon".into(), reconnect_tries: 0, address: None, deflate: None };
    let peer = Peer::new(&hub, identity, Socket::Driven);
    let request = Arc::new(http::Request::get("/").body(()).unwrap().into_parts().0);
    tokio::spawn(drive(peer.clone(), Io::Driven(Box::new(socket)), Start::Requested(request, Bytes::new()), ()));
    (peer, client)
}

#[tokio::test]
async fn the_close_frame_goes_before_the_socket_ends_though_the_driver_hears_of_the_close_first() {
    let (peer, mut client) = connected();
    let frame = CloseFrame::new(CloseCode::GOING_AWAY, "server closed");

    // Where another thread has come in the middle of `close`.
    peer.end(Some(frame.clone()));
    peer.waker.wake();
    for _ in 0..TURNS {
        yield_now().await;
    }
    peer.close(Some(&frame));

    let expected = websocket::close(Role::Server, Some(&frame));
    let mut sent = vec![0; expected.len()];
    client.read_exact(&mut sent).await.unwrap();
    assert_eq!(sent, expected);
}
