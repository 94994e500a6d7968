//! A server whose answers the test chooses, over an independent websocket implementation.

use std::sync::{Arc, Mutex};

use neffos::{Client as Ours, ClientBuilder, ClientSide, Events, NsConn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderMap;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::{Client, within};

/// A listener whose clients the test answers itself.
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

    /// Returns a client of this server, which declares the namespace `default`.
    pub(crate) fn client(&self) -> ClientBuilder {
        Ours::builder(&self.url()).namespace("default", Events::new()).no_proxy()
    }

    /// Returns the next client with its request, which the test answers byte by byte.
    pub(crate) async fn request(&self) -> Visitor {
        let mut stream = self.stream().await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert!(within(stream.read_buf(&mut head)).await.unwrap() > 0, "the client hung up");
        }
        Visitor { stream, head: String::from_utf8(head).unwrap() }
    }

    /// Returns the next client, which has greeted, as raw bytes.
    pub(crate) async fn raw(&self) -> Visitor {
        let mut visitor = self.request().await;
        visitor.write(visitor.agreement()).await;
        let mut hello = [0; 7];
        within(visitor.stream.read_exact(&mut hello)).await.unwrap();
        assert_eq!((hello[..2].to_vec(), hello[6] ^ hello[2]), (vec![0x81, 0x81], b'M'));
        visitor
    }

    /// Returns the next client's stream, before any handshake.
    pub(crate) async fn stream(&self) -> TcpStream {
        within(self.listener.accept()).await.unwrap().0
    }

    /// Returns the next client, whose websocket is open.
    #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
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

    /// Returns the next client, which has greeted and gets the id `id`.
    pub(crate) async fn welcome(&self, id: &str) -> Guest {
        let mut guest = self.open().await;
        guest.expect_hello().await;
        guest.wire.send(format!("A{id}")).await;
        guest
    }
}

/// Returns a client that is welcomed by this scripted server and connected to the namespace `default`.
pub(crate) async fn enter(theirs: &Theirs, builder: ClientBuilder) -> (Ours, NsConn<ClientSide>, Guest) {
    let (client, mut guest) = tokio::join!(within(builder.dial()), theirs.welcome("1"));
    let client = client.unwrap();
    let (ns, _) = tokio::join!(within(client.connect("default")), guest.agree_to("_OnNamespaceConnect"));
    (client, ns.unwrap(), guest)
}

impl Guest {
    pub(crate) async fn expect_hello(&mut self) {
        assert_eq!(self.wire.text().await, "M");
    }

    /// Reads the next request, which must be for `event`. Returns its token, and its namespace and room.
    pub(crate) async fn request(&mut self, event: &str) -> (String, String) {
        let text = self.wire.text().await;
        let fields: Vec<_> = text.splitn(7, ';').collect();
        assert_eq!(fields[3], event, "{text}");
        (fields[0].to_owned(), format!("{};{}", fields[1], fields[2]))
    }

    /// Answers that the request with `token` succeeded.
    pub(crate) async fn agree(&mut self, token: &str) {
        self.wire.send(format!("{token};;;;;;")).await;
    }

    /// Agrees to the next request, which must be for `event`. Returns its namespace and room.
    pub(crate) async fn agree_to(&mut self, event: &str) -> String {
        let (token, place) = self.request(event).await;
        self.agree(&token).await;
        place
    }

    /// Asks the client, and returns its reply without the token.
    pub(crate) async fn ask(&mut self, request: &str) -> String {
        self.wire.send(format!("n1;{request}")).await;
        let reply = self.wire.text().await;
        reply.strip_prefix("n1;").unwrap_or_else(|| panic!("not the reply: {reply}")).to_owned()
    }

    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.to_owned().into() };
        within(self.wire.socket.close(Some(frame))).await.unwrap();
    }
}

/// A client that has sent its request.
pub(crate) struct Visitor {
    pub(crate) stream: TcpStream,
    pub(crate) head: String,
}

impl Visitor {
    /// Returns the answer of a server that agrees.
    pub(crate) fn agreement(&self) -> String {
        let header = self.head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
        let accept = derive_accept_key(header.unwrap().as_bytes());
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Writes repeatedly until the client stops accepting bytes.
    pub(crate) async fn flood(&mut self, bytes: impl AsRef<[u8]>) {
        while within(self.stream.write_all(bytes.as_ref())).await.is_ok() {}
    }

    /// Returns all that comes until the client ends or resets the stream.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // Bytes before a reset count, too.
        within(self.stream.read_to_end(&mut rest)).await.ok();
        rest
    }
}
