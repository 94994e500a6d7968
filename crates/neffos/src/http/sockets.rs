//! Options of the TCP sockets of connections.

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use crate::server::Server;

/// The options of each socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct SocketOptions {
    /// In bytes; zero means the system's default.
    send_buffer: usize,
}

impl SocketOptions {
    pub(super) fn of(server: &Server) -> Self {
        Self { send_buffer: server.gate().settings.send_buffer_bytes }
    }

    /// Sets the options on a listener. On Linux, accepted sockets inherit them.
    pub(super) fn hand_down(self, listener: &TcpListener) {
        self.set(&SockRef::from(listener));
    }

    /// Sets the options on an accepted socket where the listener does not pass them on.
    pub(super) fn complete(self, stream: &TcpStream) {
        if cfg!(not(target_os = "linux")) {
            self.apply(stream);
        }
    }

    /// Sets the options on a socket of another listener.
    pub(super) fn apply(self, stream: &TcpStream) {
        self.set(&SockRef::from(stream));
    }

    /// Sets `TCP_NODELAY`, so that each message is sent at once, and the send buffer. If an option cannot be set,
    /// messages are only slower, or the kernel buffers more of them.
    fn set(self, socket: &SockRef<'_>) {
        socket.set_tcp_nodelay(true).ok();
        if self.send_buffer > 0 {
            socket.set_send_buffer_size(self.send_buffer.min(LARGEST)).ok();
        }
    }
}

/// The system takes an `int`, and Linux doubles it.
const LARGEST: usize = i32::MAX as usize / 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::Events;

    async fn accepted(send_buffer_bytes: usize) -> TcpStream {
        let builder = Server::builder().namespace("default", Events::new());
        let server = builder.send_buffer_bytes(send_buffer_bytes).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = SocketOptions::of(&server);
        options.hand_down(&listener);
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _address) = listener.accept().await.unwrap();
        options.complete(&accepted);
        accepted
    }

    #[tokio::test]
    async fn an_accepted_socket_waits_for_no_second_message() {
        assert!(accepted(0).await.nodelay().unwrap());
    }

    #[tokio::test]
    async fn an_accepted_socket_has_the_send_buffer_that_is_set() {
        let of = |stream: &TcpStream| SockRef::from(stream).send_buffer_size().unwrap();
        let (small, system, largest) = (accepted(32 * 1024).await, accepted(0).await, accepted(usize::MAX).await);
        // Linux doubles the value.
        assert!((32 * 1024..=64 * 1024).contains(&of(&small)), "{}", of(&small));
        assert!(of(&largest) > of(&small) && of(&system) != of(&small));
        SocketOptions { send_buffer: 16 * 1024 }.apply(&system);
        assert!((16 * 1024..=32 * 1024).contains(&of(&system)));
    }
}
