//! Servers that share an exchange, and clients that record their messages.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::Client;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::handlers::{Events, Reply, State};
use crate::handles::{ClientSide, NsConn, Room};
use crate::http::serve;
use crate::message::Message;
use crate::server::Server;
use crate::websocket::CloseFrame;

pub(super) struct Stand {
    pub(super) servers: Vec<Server>,
    urls: Vec<String>,
    tasks: Vec<JoinHandle<()>>,
}

/// A client that records its messages.
pub(super) struct Ear {
    pub(super) id: String,
    client: Client,
    ns: NsConn<ClientSide>,
    heard: mpsc::Receiver<Message>,
}

/// Returns the message for all clients.
pub(super) fn message(body: impl Into<Bytes>) -> Message {
    Message::new("said", body).in_namespace("default")
}

pub(super) fn texts(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.text().unwrap().to_owned()).collect()
}

impl Stand {
    pub(super) async fn of<E: Exchange>(count: usize, exchange: &impl Fn() -> E) -> Self {
        let mut stand = Self { servers: Vec::new(), urls: Vec::new(), tasks: Vec::new() };
        for _ in 0..count {
            let server = server(exchange());
            within("joining the others", server.joined()).await.unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            stand.urls.push(format!("ws://{}/", listener.local_addr().unwrap()));
            let serving = serve(listener, server.clone());
            stand.tasks.push(tokio::spawn(async move { serving.await.unwrap() }));
            stand.servers.push(server);
        }
        stand
    }

    /// Dials one client for each id, on the servers in rotation.
    pub(super) async fn ears(&self, ids: &[&str]) -> Vec<Ear> {
        let mut ears = Vec::new();
        for (nth, id) in ids.iter().enumerate() {
            ears.push(self.ear(nth % self.servers.len(), id).await);
        }
        ears
    }

    pub(super) async fn ear(&self, server: usize, id: &str) -> Ear {
        let (tell, heard) = mpsc::channel(MOST_HEARD);
        let hear = async |State(tell): State<mpsc::Sender<Message>>, message: Message| {
            // The test may have dropped the receiver already.
            tell.send(message).await.ok();
        };
        let answers = id.to_owned();
        let who = move |question: String| {
            let answer = format!("{answers}: {question}");
            async move { Reply::text(answer) }
        };
        let events =
            Events::new().on("said", hear).on("who", who).on("refuse", async || Err::<(), _>(Error::new("not me")));
        let client = Client::builder(&self.urls[server])
            .header("x-id", id)
            .namespace("default", events)
            .namespace("", Events::new().on_native(hear).on("other", hear))
            .state(tell);
        let client = within("dialling", client.dial()).await.unwrap();
        within("connecting", client.connect("")).await.unwrap();
        let ns = within("connecting", client.connect("default")).await.unwrap();
        Ear { id: id.to_owned(), client, ns, heard }
    }

    /// Checks that no other message arrived: the next ones are a last message from each server.
    pub(super) async fn silent(&self, ears: &mut [Ear]) {
        for (nth, server) in self.servers.iter().enumerate() {
            server.broadcast(message(format!("last {nth}")));
        }
        for ear in ears {
            let mut heard = ear.take(self.servers.len()).await;
            heard.sort();
            let expected: Vec<_> = (0..self.servers.len()).map(|nth| format!("last {nth}")).collect();
            assert_eq!(heard, expected, "{} heard something that was not for it, or twice", ear.id);
        }
    }

    /// Checks the condition again whenever other tasks have run.
    pub(super) async fn until(&self, mut condition: impl FnMut() -> bool) {
        let waiting = async {
            while !condition() {
                tokio::task::yield_now().await;
            }
        };
        within("the condition", waiting).await;
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.servers.iter().for_each(Server::close);
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Ear {
    /// Sends a message to all clients.
    pub(super) fn say(&self, text: &'static str) {
        self.ns.emit("say", text).unwrap();
    }

    pub(super) fn say_to_others(&self, text: &'static str) {
        self.ns.emit("say to others", text).unwrap();
    }

    pub(super) async fn join(&self, room: &str) -> Room<ClientSide> {
        within("joining a room", self.ns.join(room)).await.unwrap()
    }

    pub(super) async fn next(&mut self) -> String {
        self.take(1).await.remove(0)
    }

    pub(super) async fn take(&mut self, count: usize) -> Vec<String> {
        texts(&self.take_messages(count).await)
    }

    pub(super) async fn take_messages(&mut self, count: usize) -> Vec<Message> {
        let mut messages = Vec::with_capacity(count);
        while messages.len() < count {
            let heard = timeout(PATIENCE, self.heard.recv()).await;
            let Ok(Some(message)) = heard else {
                panic!("{} heard only {} of {count}: {:?}", self.id, messages.len(), messages.last());
            };
            messages.push(message);
        }
        messages
    }

    /// Returns the messages that arrived and were not read.
    pub(super) fn heard_so_far(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }

    pub(super) async fn closed(&self) -> Option<CloseFrame> {
        within("the end", self.client.closed()).await
    }
}

fn server(exchange: impl Exchange) -> Server {
    let events = Events::new()
        .on("say", async |ns: NsConn, said: Bytes| ns.broadcast(message(said)))
        .on("say to others", async |ns: NsConn, said: Bytes| ns.broadcast_others(message(said)));
    Server::builder()
        .namespace("default", events)
        .namespace("", Events::new().on_native(async || ()).on("other", async || ()))
        .id_generator(|request| request.headers.get("x-id").map_or("", |id| id.to_str().unwrap()).to_owned())
        .exchange(exchange)
        .build()
        .unwrap()
}

async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// How many messages a client may receive before the test reads them.
const MOST_HEARD: usize = 8192;
const PATIENCE: Duration = Duration::from_secs(20);
