//! A server of neffos with an exchange, and a client that writes down what it hears.

use std::sync::{Arc, Mutex};

use neffos::{Client, ClientSide, ClusterStatus, Events, Message, NsConn, Room, Server, ServerBuilder, State};
use neffos_nats::NatsExchange;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{until, within};

pub(crate) struct Peer {
    pub(crate) server: Server,
    pub(crate) ns: NsConn<ClientSide>,
    url: String,
    heard: mpsc::Receiver<String>,
    faults: Faults,
    clients: Vec<Client>,
    serving: JoinHandle<()>,
}

/// Why links were lost.
type Faults = Arc<Mutex<Vec<String>>>;

/// What all say to all.
pub(crate) fn message(body: impl Into<String>) -> Message {
    Message::new("said", body.into()).in_namespace("default")
}

impl Peer {
    pub(crate) async fn new(exchange: NatsExchange) -> Self {
        Self::of(Server::builder(), exchange).await
    }

    /// All its clients have this id.
    pub(crate) async fn with_id(exchange: NatsExchange, id: &str) -> Self {
        let id = id.to_owned();
        Self::of(Server::builder().id_generator(move |_| id.clone()), exchange).await
    }

    async fn of(server: ServerBuilder, exchange: NatsExchange) -> Self {
        let faults = Faults::default();
        let told = faults.clone();
        let server = server.namespace("default", Events::new()).exchange(exchange);
        let server = server.on_exchange(move |status| told.lock().unwrap().extend(status.fault.clone()));
        let server = server.build().unwrap();
        within("joining the others", server.joined()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let served = neffos::serve(listener, server.clone());
        let serving = tokio::spawn(async move { served.await.unwrap() });
        let (tell, heard) = mpsc::channel(MOST_HEARD);
        let hear = async |State(tell): State<mpsc::Sender<String>>, said: String| {
            // Nobody may be interested any more.
            tell.send(said).await.ok();
        };
        let client = Client::builder(&url).namespace("default", Events::new().on("said", hear)).state(tell);
        let client = within("dialling", client.dial()).await.unwrap();
        let ns = within("connecting", client.connect("default")).await.unwrap();
        Self { server, ns, url, heard, faults, clients: vec![client], serving }
    }

    /// One more client, which does nothing.
    pub(crate) async fn crowd(&mut self) -> NsConn<ClientSide> {
        let client = Client::builder(&self.url).namespace("default", Events::new());
        let client = within("dialling", client.dial()).await.unwrap();
        let ns = within("connecting", client.connect("default")).await.unwrap();
        self.clients.push(client);
        ns
    }

    pub(crate) async fn join(&self, room: &str) -> Room<ClientSide> {
        within("joining a room", self.ns.join(room)).await.unwrap()
    }

    pub(crate) fn say(&self, text: impl Into<String>) {
        self.server.broadcast(message(text));
    }

    pub(crate) async fn next(&mut self) -> String {
        within("a message", self.heard.recv()).await.unwrap()
    }

    /// What is heard up to `last`, without it.
    pub(crate) async fn up_to(&mut self, last: &str) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            match self.next().await {
                text if text == last => return all,
                text => all.push(text),
            }
        }
    }

    pub(crate) fn status(&self) -> ClusterStatus {
        self.server.cluster().unwrap().status()
    }

    /// Why its links were lost, each told once or more.
    pub(crate) fn faults(&self) -> String {
        self.faults.lock().unwrap().join("\n")
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&ClusterStatus) -> bool) {
        let cluster = self.server.cluster().unwrap();
        until(what, || condition(&cluster.status())).await;
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.server.close();
        self.serving.abort();
    }
}

const MOST_HEARD: usize = 100_000;
