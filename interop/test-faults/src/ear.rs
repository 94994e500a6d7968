//! A client that records each message.

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use neffos::{Client, Events};
use tokio::time::Instant;

use crate::ledger::Ledger;
use crate::node::{NAMESPACE, News, Node, ROOM, SAID};
use crate::stand::within;

/// A client of one server.
#[derive(Debug)]
pub struct Ear {
    /// The number of its server.
    pub node: usize,
    ledger: Arc<Mutex<Ledger>>,
    _client: Client,
}

impl Ear {
    /// Connects client `number` to `node`, and to the namespace and the room of all messages.
    pub(crate) async fn at(node: &Node, number: usize, news: &News) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let (book, news) = (ledger.clone(), news.clone());
        let note = move |said: String| {
            let (sender, number) = said.split_once(' ').expect("a sender and a number");
            let read = |text: &str| text.parse().expect("a number");
            lock(&book).note(read(sender), read(number), Instant::now());
            news.send_replace(());
            ready(())
        };
        let client = Client::builder(node.url()).namespace(NAMESPACE, Events::new().on(SAID, note));
        let client = within("dialling", client.dial()).await.expect("the server takes a client");
        let ns = within("connecting", client.connect(NAMESPACE)).await.expect("the namespace is there");
        within("joining", ns.join(ROOM)).await.expect("the room is open to all");
        Self { node: number, ledger, _client: client }
    }

    /// Returns a copy of the messages that it has received so far.
    pub fn ledger(&self) -> Ledger {
        lock(&self.ledger).clone()
    }

    /// Checks that no message of a sender arrived twice or out of order, and that no message from number `from` on is
    /// lost.
    pub(crate) fn check_account(&self, sender: usize, from: usize) {
        let (account, whom) = (self.ledger().of(sender), format!("client {} of {sender}", self.node));
        assert_eq!((account.doubled(), account.reordered()), (0, 0), "doubled and reordered: {whom}");
        let mut lost = account.lost(account.passed());
        lost.retain(|number| *number >= from);
        assert!(lost.is_empty(), "lost: {whom}: {lost:?}");
    }

    /// Returns one more than the highest number of a sender that it has received.
    pub fn passed(&self, sender: usize) -> usize {
        lock(&self.ledger).passed(sender)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
