//! A server that says what the test wants, over an independent websocket implementation.

use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderMap;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::{Client, within};

/// A listener whose clients the test answers by hand.
pub(crate) struct Theirs {
    listener: TcpListener,
}

/// The server's side of one connection.
pub(crate) struct Guest {
    pub(crate) wire: Client<TcpStream>,
    /// The client's request.
    pub(crate) headers: HeaderMap,
}

impl Theirs {
    pub(crate) async fn bind() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.listener.local_addr().unwrap())
    }

    /// The next client's stream, before any handshake.
    pub(crate) async fn stream(&self) -> TcpStream {
        within(self.listener.accept()).await.unwrap().0
    }

    /// The next client, whose websocket is open.
    #[expect(clippy::result_large_err, reason = "the callback's type is somebody else's")]
    pub(crate) async fn open(&self) -> Guest {
        let headers = Arc::new(Mutex::new(HeaderMap::new()));
        let seen = headers.clone();
        let note = move |request: &Request, response: Response| {
            *seen.lock().unwrap() = request.headers().clone();
            Ok(response)
        };
        let socket = within(tokio_tungstenite::accept_hdr_async(self.stream().await, note)).await.unwrap();
        let headers = headers.lock().unwrap().clone();
        Guest { wire: Client::from_socket(socket), headers }
    }

    /// The next client, which has greeted and is called `id`.
    pub(crate) async fn welcome(&self, id: &str) -> Guest {
        let mut guest = self.open().await;
        guest.expect_hello().await;
        guest.wire.send(format!("A{id}")).await;
        guest
    }
}

impl Guest {
    pub(crate) async fn expect_hello(&mut self) {
        assert_eq!(self.wire.text().await, "M");
    }

    /// The next request, which must be for `event`; returns its token, and its namespace and room.
    pub(crate) async fn request(&mut self, event: &str) -> (String, String) {
        let text = self.wire.text().await;
        let fields: Vec<_> = text.splitn(7, ';').collect();
        assert_eq!(fields[3], event, "{text}");
        (fields[0].to_owned(), format!("{};{}", fields[1], fields[2]))
    }

    /// Answers that the request with `token` is done.
    pub(crate) async fn agree(&mut self, token: &str) {
        self.wire.send(format!("{token};;;;;;")).await;
    }

    /// Agrees to the next request, which must be for `event`; returns its namespace and room.
    pub(crate) async fn agree_to(&mut self, event: &str) -> String {
        let (token, place) = self.request(event).await;
        self.agree(&token).await;
        place
    }

    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.to_owned().into() };
        within(self.wire.socket.close(Some(frame))).await.unwrap();
    }
}
