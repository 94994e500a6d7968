//! One of the servers. It has a separate runtime, so that it can die with everything in it, and a separate proxy to the
//! broker.

use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex, PoisonError};

use brokers::Proxy;
use neffos::{ClusterStatus, Events, LinkState, Message, Server, ServerBuilder, serve};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::broker::Broker;

/// More settings of servers.
pub type Settings<'a> = dyn Fn(ServerBuilder) -> ServerBuilder + 'a;
/// Wakes the tasks that wait for a change.
pub(crate) type News = watch::Sender<()>;

/// A server of the cluster.
#[derive(Debug)]
pub struct Node {
    /// The server.
    pub server: Server,
    /// Its proxy to the broker.
    pub way: Proxy,
    url: String,
    told: Arc<Mutex<Vec<ClusterStatus>>>,
    /// None once it is shut down.
    runtime: Option<Runtime>,
}

impl Node {
    /// Starts a server at `broker`, which may be down. `with` gives it more settings. `news` is notified of each call
    /// of its hook.
    pub(crate) async fn start(broker: &Broker, with: &Settings<'_>, news: &News) -> Self {
        let way = Proxy::to(broker.port()).await;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let told = Arc::new(Mutex::new(Vec::new()));
        let (server, url) = {
            let _here = runtime.enter();
            let (tell, news) = (told.clone(), news.clone());
            let builder = Server::builder().namespace(NAMESPACE, Events::new()).on_exchange(move |status| {
                lock(&tell).push(status.clone());
                news.send_replace(());
            });
            let server = broker.kind().connect(with(builder), way.port()).build().expect("settings that make sense");
            let listener = StdListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
            listener.set_nonblocking(true).expect("a listener that does not block");
            let url = format!("ws://{}/", listener.local_addr().expect("a listener has an address"));
            let listener = TcpListener::from_std(listener).expect("the runtime takes a listener");
            runtime.spawn(serve(listener, server.clone()));
            (server, url)
        };
        Self { server, way, url, told, runtime: Some(runtime) }
    }

    /// The URL for clients.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The status of its exchange.
    pub fn status(&self) -> ClusterStatus {
        self.server.cluster().expect("it has an exchange").status()
    }

    /// Whether it reaches the other servers.
    pub fn is_up(&self) -> bool {
        self.status().state == LinkState::Up
    }

    /// The statuses that its hook has received so far.
    pub fn told(&self) -> Vec<ClusterStatus> {
        lock(&self.told).clone()
    }

    /// Whether its hook has received the loss of the other servers.
    pub fn has_told_loss(&self) -> bool {
        lock(&self.told).iter().any(|status| status.state == LinkState::Down && status.fault.is_some())
    }

    /// Broadcasts `number` to the namespace, and every second time to the room, which has the same members.
    pub(crate) fn say(&self, sender: usize, number: usize) {
        let message = Message::new(SAID, format!("{sender} {number}")).in_namespace(NAMESPACE);
        self.server.broadcast(if number.is_multiple_of(2) { message } else { message.to_room(ROOM) });
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) const NAMESPACE: &str = "default";
pub(crate) const ROOM: &str = "lobby";
pub(crate) const SAID: &str = "said";
