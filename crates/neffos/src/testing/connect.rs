//! Clients that are connected to a server over memory.

use std::convert::Infallible;
use std::fmt;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::admission::GivenId;
use crate::client::{Client, ClientBuilder};
use crate::error::Error;
use crate::handlers::Events;
use crate::handles::ClientSide;
use crate::message::{Message, events};
use crate::server::Server;

/// Connects a client to `server` over memory. Await the result, or set more before.
///
/// Nothing is left out but the network: the client sends an HTTP request, which the server checks as any other, and the
/// greeting, `on_connect`, the protocol and all queues are those of a real connection.
///
/// # Examples
///
/// ```
/// use neffos::{Conn, Error, Events, Message, Server, testing};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let server = Server::builder()
///     .namespace("default", Events::new())
///     .on_connect(async |conn: Conn, _request| match conn.id() {
///         "eve" => Err(Error::new("not you")),
///         _ => Ok(()),
///     })
///     .build()?;
///
/// let refusal = testing::connect(&server).id("eve").await.unwrap_err();
/// assert!(refusal.is_refused());
///
/// let mut ada = testing::connect(&server).id("ada").await?;
/// ada.connect("default").await?;
/// server.broadcast(Message::new("news", "hello").in_namespace("default"));
/// assert_eq!(ada.next().await?.text()?, "hello");
/// # Ok(())
/// # }
/// ```
pub fn connect(server: &Server) -> Connect {
    Connect {
        server: server.clone(),
        id: None,
        address: None,
        url: "ws://localhost/".to_owned(),
        settings: Vec::new(),
        streams: None,
    }
}

/// A client that is about to connect over memory. [`connect`] returns it; awaiting it connects.
///
/// Awaiting it fails as [`ClientBuilder::dial`] does: `is_refused` if the server refuses the client, for example.
///
/// # Examples
///
/// ```
/// use neffos::{Events, Limits, Message, Server, testing};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), neffos::Error> {
/// # let server = Server::builder().namespace("default", Events::new()).build()?;
/// let client = testing::connect(&server)
///     .id("ada")
///     .header("authorization", "Bearer 7d3c")
///     .namespace("default", Events::new().on("sure?", async || "yes"))
///     .configure(|builder| builder.limits(Limits::default().max_asks(2)))
///     .await?;
/// client.connect("default").await?;
/// let answer = server.ask(Message::new("sure?", "").in_namespace("default")).await?;
/// assert_eq!(answer.text()?, "yes");
/// # Ok(())
/// # }
/// ```
#[must_use = "it connects when it is awaited"]
pub struct Connect {
    server: Server,
    id: Option<String>,
    address: Option<SocketAddr>,
    url: String,
    settings: Vec<Box<dyn FnOnce(ClientBuilder) -> ClientBuilder + Send>>,
    streams: Option<(DuplexStream, DuplexStream)>,
}

impl Connect {
    /// Gives the connection this id, in place of the id that the server makes.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the address of the client's socket. By default it is unknown, and limits for each address do not apply.
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Sends the request to this URL, for servers that read its host, path or parameters. The default is
    /// `ws://localhost/`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// Sends a header with the request. See [`ClientBuilder::header`].
    pub fn header(self, name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.configure(move |builder| builder.header(&name, &value))
    }

    /// Handles the messages of a namespace with `events`. They are not recorded then.
    pub fn namespace(self, name: impl Into<String>, events: Events<ClientSide>) -> Self {
        let name = name.into();
        self.configure(move |builder| builder.namespace(name, events))
    }

    /// Changes any other setting of the client.
    pub fn configure(mut self, settings: impl FnOnce(ClientBuilder) -> ClientBuilder + Send + 'static) -> Self {
        self.settings.push(Box::new(settings));
        self
    }

    /// Uses these streams, for the client and for the server, in place of one pair in memory.
    pub(super) fn over(mut self, client: DuplexStream, server: DuplexStream) -> Self {
        self.streams = Some((client, server));
        self
    }

    async fn dial(self) -> Result<TestClient, Error> {
        let (tell, told) = mpsc::channel(MOST_RECORDED);
        let builder = self.settings.into_iter().fold(Client::builder(&self.url), |builder, set| set(builder));
        let (client, server) = self.streams.unwrap_or_else(|| tokio::io::duplex(STREAM_BYTES));
        tokio::spawn(serve(server, Arrival { server: self.server, id: self.id, address: self.address }));
        let client = builder.any_namespace(recording(&tell)).dial_over(client).await?;
        Ok(TestClient { client, told })
    }
}

impl IntoFuture for Connect {
    type Output = Result<TestClient, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.dial().boxed()
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("id", &self.id).field("url", &self.url).finish_non_exhaustive()
    }
}

/// The data that the server has about a client before its request.
#[derive(Clone)]
struct Arrival {
    server: Server,
    id: Option<String>,
    address: Option<SocketAddr>,
}

/// Answers the request of a client as an HTTP server does.
async fn serve(stream: DuplexStream, arrival: Arrival) {
    let service = service_fn(|mut request: Request<Incoming>| {
        let Arrival { server, id, address } = arrival.clone();
        if let Some(id) = id {
            request.extensions_mut().insert(GivenId(id));
        }
        if let Some(address) = address {
            request.extensions_mut().insert(address);
        }
        std::future::ready(Ok::<_, Infallible>(server.upgrade(&mut request)))
    });
    // The client reports any fault.
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await.ok();
}

/// Returns events that record every message. While there is no space, they wait, and so the client reads no more.
fn recording(tell: &mpsc::Sender<Message>) -> Events<ClientSide> {
    let tell = tell.clone();
    Events::new().on_any(move |message: Message| {
        let tell = tell.clone();
        async move {
            if events::is_system(message.event()) {
                return Ok(());
            }
            let is_ask = message.is_ask();
            // The test may have dropped the receiver.
            tell.send(message).await.ok();
            if is_ask { Err(Error::unknown_event()) } else { Ok(()) }
        }
    })
}

/// A client that is connected over memory, and that records its messages. Dropping it closes the connection.
///
/// It has all methods of [`Client`]. Messages of namespaces without [events](Connect::namespace) are recorded, and
/// [`next`](TestClient::next) and [`received`](TestClient::received) return them. An ask of the server is recorded too,
/// and answered with `unknown event`.
///
/// It records up to 1,024 messages. When as many wait, the client stops reading until the test takes some: to the
/// server it is a slow reader then.
#[derive(Debug)]
pub struct TestClient {
    client: Client,
    told: mpsc::Receiver<Message>,
}

impl TestClient {
    /// Returns the next recorded message. Waits for it up to 10 s of tokio's clock.
    ///
    /// # Errors
    ///
    /// `is_timeout` after that time; `is_closed` if the connection has ended and every message was taken.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no message is lost.
    pub async fn next(&mut self) -> Result<Message, Error> {
        let (told, client) = (&mut self.told, &self.client);
        let next = async {
            tokio::select! {
                biased;
                message = told.recv() => return message,
                _closed = client.closed() => {}
            }
            told.try_recv().ok()
        };
        timeout(PATIENCE, next).await.map_err(|_| Error::timeout())?.ok_or_else(Error::closed)
    }

    /// Returns the messages that were recorded and not taken, without waiting for more.
    pub fn received(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.told.try_recv().ok()).collect()
    }

    /// Closes the connection and waits for its end. See [`Client::close`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped early, the connection still ends.
    pub async fn close(self) {
        self.client.close().await;
    }
}

impl Deref for TestClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// As many bytes as a stream in memory holds in each direction.
const STREAM_BYTES: usize = 64 * 1024;
const MOST_RECORDED: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(10);
