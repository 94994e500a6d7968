//! A server, and its client.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use neffos::{
    Client, ClientSide, ClusterStatus, Error, Events, Exchange, LinkState, Message, NsConn, Room, Server,
    ServerBuilder, State,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::{until, within};

/// A server with an exchange, and a client that records the messages of the namespace `default`. Both end when this is dropped.
#[derive(Debug)]
pub struct TestNode {
    /// The server.
    pub server: Server,
    /// The client, in the namespace.
    pub ns: NsConn<ClientSide>,
    url: String,
    heard: mpsc::Receiver<String>,
    /// The status of the exchange, at each change.
    news: watch::Receiver<Option<ClusterStatus>>,
    faults: Faults,
    clients: Vec<Client>,
    serving: JoinHandle<()>,
}

/// The reasons for lost links.
type Faults = Arc<Mutex<Vec<String>>>;

/// A message to the namespace.
pub fn message(body: impl Into<String>) -> Message {
    Message::new("said", body.into()).in_namespace("default")
}

/// Returns the error with which a server with this exchange fails to join the cluster at the first attempt.
pub async fn refused(exchange: impl Exchange) -> Error {
    let server = Server::builder().namespace("default", Events::new()).exchange(exchange);
    let server = server.build().expect("settings that make sense");
    within("the refusal", server.joined()).await.expect_err("it does not join others")
}

impl TestNode {
    /// Starts a server that has joined the cluster.
    pub async fn new(exchange: impl Exchange) -> Self {
        Self::of(Server::builder(), exchange).await
    }

    /// Starts a server whose clients all have this id.
    pub async fn with_id(exchange: impl Exchange, id: &str) -> Self {
        let id = id.to_owned();
        Self::of(Server::builder().id_generator(move |_| id.clone()), exchange).await
    }

    /// Starts a server with more settings than the exchange.
    pub async fn of(server: ServerBuilder, exchange: impl Exchange) -> Self {
        let (tell_news, news) = watch::channel(None);
        let faults = Faults::default();
        let told = faults.clone();
        let server = server.namespace("default", Events::new()).exchange(exchange).on_exchange(move |status| {
            lock(&told).extend(status.fault.clone());
            tell_news.send_replace(Some(status.clone()));
        });
        let server = server.build().expect("settings that make sense");
        within("joining the others", server.joined()).await.expect("the broker is there");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("127.0.0.1 has a free port");
        let url = format!("ws://{}/", listener.local_addr().expect("a listener has an address"));
        let served = neffos::serve(listener, server.clone());
        let serving = tokio::spawn(async move { served.await.expect("the listener stays open") });
        let (tell, heard) = mpsc::channel(MOST_HEARD);
        let hear = async |State(tell): State<mpsc::Sender<String>>, said: String| {
            // The test may have dropped the receiver.
            tell.send(said).await.ok();
        };
        let client = Client::builder(&url).namespace("default", Events::new().on("said", hear)).state(tell);
        let client = within("dialling", client.dial()).await.expect("the server takes a client");
        let ns = within("connecting", client.connect("default")).await.expect("the namespace is there");
        Self { server, ns, url, heard, news, faults, clients: vec![client], serving }
    }

    /// Connects one more client, which is idle.
    pub async fn crowd(&mut self) -> NsConn<ClientSide> {
        let client = Client::builder(&self.url).namespace("default", Events::new());
        let client = within("dialling", client.dial()).await.expect("the server takes a client");
        let ns = within("connecting", client.connect("default")).await.expect("the namespace is there");
        self.clients.push(client);
        ns
    }

    /// Joins a room as the client.
    pub async fn join(&self, room: &str) -> Room<ClientSide> {
        within("joining a room", self.ns.join(room)).await.expect("the room is open to all")
    }

    /// Broadcasts a text to the namespace.
    pub fn say(&self, text: impl Into<String>) {
        self.server.broadcast(message(text));
    }

    /// Returns the next message that the client receives.
    pub async fn next(&mut self) -> String {
        within("a message", self.heard.recv()).await.expect("the client stays connected")
    }

    /// Returns the messages that the client receives before `last`.
    pub async fn up_to(&mut self, last: &str) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            match self.next().await {
                text if text == last => return all,
                text => all.push(text),
            }
        }
    }

    /// Returns the status of the server's exchange.
    pub fn status(&self) -> ClusterStatus {
        self.server.cluster().expect("it has an exchange").status()
    }

    /// Returns the reasons for lost links, each once or more.
    pub fn faults(&self) -> String {
        lock(&self.faults).join("\n")
    }

    /// Waits until the link is lost, and returns the reason.
    pub async fn lost(&mut self) -> String {
        self.becomes(LinkState::Down).await.fault.expect("a link that is lost has a fault")
    }

    /// Waits until the link is up again, after [`Self::lost`].
    pub async fn back(&mut self) {
        self.becomes(LinkState::Up).await;
    }

    async fn becomes(&mut self, state: LinkState) -> ClusterStatus {
        let news = self.news.wait_for(|status| status.as_ref().is_some_and(|status| status.state == state));
        let status = within("a change of the link", news).await.expect("the server stays open").clone();
        status.expect("it was waited for")
    }

    /// Waits until the status meets the condition.
    pub async fn until(&self, what: &str, condition: impl Fn(&ClusterStatus) -> bool) {
        until(what, || condition(&self.status())).await;
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.server.close();
        self.serving.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const MOST_HEARD: usize = 100_000;
