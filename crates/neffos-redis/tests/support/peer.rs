//! A server of neffos with an exchange, and a client that writes down what it hears.

use neffos::{Client, ClientSide, ClusterStatus, Events, LinkState, Message, NsConn, Room, Server, State};
use neffos_redis::RedisExchange;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::within;

pub(crate) struct Peer {
    pub(crate) server: Server,
    pub(crate) ns: NsConn<ClientSide>,
    url: String,
    heard: mpsc::Receiver<String>,
    /// How it went with the link, at each change.
    news: watch::Receiver<Option<ClusterStatus>>,
    clients: Vec<Client>,
    serving: JoinHandle<()>,
}

/// What all say to all.
pub(crate) fn message(body: impl Into<String>) -> Message {
    Message::new("said", body.into()).in_namespace("default")
}

impl Peer {
    pub(crate) async fn new(exchange: RedisExchange) -> Self {
        let (news, listener) = (watch::Sender::new(None), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let told = news.subscribe();
        let builder = Server::builder().namespace("default", Events::new()).exchange(exchange);
        let server = builder.on_exchange(move |status| _ = news.send_replace(Some(status.clone()))).build().unwrap();
        within("joining the others", server.joined()).await.unwrap();
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
        Self { server, ns, url, heard, news: told, clients: vec![client], serving }
    }

    pub(crate) fn server(exchange: RedisExchange) -> Server {
        Server::builder().namespace("default", Events::new()).exchange(exchange).build().unwrap()
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

    /// Waits until the link is lost; why.
    pub(crate) async fn lost(&mut self) -> String {
        self.until(LinkState::Down).await.fault.unwrap()
    }

    /// Waits until there is a link again, after [`Self::lost`].
    pub(crate) async fn back(&mut self) {
        self.until(LinkState::Up).await;
    }

    async fn until(&mut self, state: LinkState) -> ClusterStatus {
        let news = self.news.wait_for(|status| status.as_ref().is_some_and(|status| status.state == state));
        within("a change of the link", news).await.unwrap().clone().unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.server.close();
        self.serving.abort();
    }
}

const MOST_HEARD: usize = 100_000;
