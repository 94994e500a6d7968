//! The listeners: clients that reconnect to their server's address, and record what they receive and when they were
//! away.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mixed::{Kind, within};
use neffos::{Change, Client, ClientSide, Events, Reconnect, State};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::talk::Said;

/// A client that listens.
pub(crate) struct Listener {
    /// The number of its server.
    pub(crate) server: usize,
    ledger: Ledger,
    /// The kinds of servers that it has been connected to, in order.
    kinds: Mutex<Vec<Kind>>,
    _client: Client,
}

type Ledger = Arc<watch::Sender<Vec<Entry>>>;

#[derive(Debug, Clone, Copy)]
enum Entry {
    Heard { sender: usize, number: usize, at: Instant },
    Lost,
    Back(Instant),
}

impl Listener {
    pub(crate) async fn enter(address: &str, server: usize, kind: Kind) -> Self {
        let ledger = Ledger::default();
        let noting = ledger.clone();
        let note = move |change: &Change| match change {
            Change::Lost { .. } => noting.send_modify(|entries| entries.push(Entry::Lost)),
            Change::Back { missing, .. } if missing.is_empty() => {
                noting.send_modify(|entries| entries.push(Entry::Back(Instant::now())));
            }
            Change::Back { missing, .. } => panic!("{missing:?} did not come back"),
            _ => {}
        };
        let hear = async |State(ledger): State<Ledger>, said: String| {
            let (sender, number) = said.split_once(' ').expect("who, and which");
            let (sender, number) = (sender.parse().unwrap(), number.parse().unwrap());
            ledger.send_modify(|entries| entries.push(Entry::Heard { sender, number, at: Instant::now() }));
        };
        let policy = Reconnect::new().base_delay(SOON).max_delay(SOON).restart_spread(SOON);
        let builder = Client::builder(&format!("ws://{address}/a")).no_proxy().reconnect(policy).on_change(note);
        let builder = builder.namespace("default", Events::<ClientSide>::new().on("said", hear)).state(ledger.clone());
        let client = within("a client's dialling", builder.dial()).await.unwrap();
        within("a client's connecting", client.connect("default")).await.unwrap();
        Self { server, ledger, kinds: Mutex::new(vec![kind]), _client: client }
    }

    /// Waits until it has received this number of a sender, or a later one.
    pub(crate) async fn hears(&self, sender: usize, number: usize) {
        let is_it = |entry: &Entry| matches!(entry, Entry::Heard { sender: who, number: which, .. } if *who == sender && *which >= number);
        self.until("the message of the sender", |entries| entries.iter().rev().any(is_it)).await;
    }

    /// Waits until it is connected to a server of this kind, and receives messages of all `senders` again.
    pub(crate) async fn is_back_on(&self, kind: Kind, senders: usize) {
        let returns = self.kinds.lock().unwrap().len();
        self.until("a client's return", |entries| {
            let backs = entries.iter().filter(|entry| matches!(entry, Entry::Back(_))).count();
            let since = entries.rsplit(|entry| matches!(entry, Entry::Back(_))).next().unwrap_or_default();
            let is_heard =
                |which| since.iter().any(|entry| matches!(entry, Entry::Heard { sender, .. } if *sender == which));
            backs == returns && (0..senders).all(is_heard)
        })
        .await;
        self.kinds.lock().unwrap().push(kind);
    }

    async fn until(&self, what: &str, is_so: impl FnMut(&Vec<Entry>) -> bool) {
        within(what, self.ledger.subscribe().wait_for(is_so)).await.unwrap();
    }

    /// Compares the received numbers with the sent ones. Returns how many it missed while it was away.
    pub(crate) fn check(&self, said: &Said) -> usize {
        let entries = self.ledger.borrow().clone();
        let kinds = self.kinds.lock().unwrap().clone();
        (0..said.senders()).map(|sender| check(&entries, &kinds, said, sender)).sum()
    }
}

/// Returns how many numbers of one sender were missed, each while the client was away.
fn check(entries: &[Entry], kinds: &[Kind], said: &Said, sender: usize) -> usize {
    let (mut missed, mut turns, mut last) = (0, 0, None);
    for entry in entries {
        let Entry::Heard { sender: who, number, .. } = *entry else {
            turns += 1;
            continue;
        };
        if who != sender {
            continue;
        }
        let (next, then) = last.map_or((0, None), |(number, turns)| (number + 1, Some(turns)));
        assert!(number >= next, "{sender} was heard to say {number} after {}", next - 1);
        assert!(
            number == next || then != Some(turns),
            "what {sender} said from {next} to {number} was lost without a reason"
        );
        // The loss and the return are a turn each.
        let visit = usize::div_ceil(turns, 2);
        for lost in next..number {
            let is_away = said.at(sender, lost) < is_there(entries, visit, kinds[visit]);
            assert!(is_away, "{sender} said {lost} when {:?} had the client back", kinds[visit]);
        }
        missed += number - next;
        last = Some((number, turns));
    }
    missed
}

/// Returns the time from which no number may be missed during this visit. On a server of this library, it is the reply
/// to the connect. On a server in Go, it is the first message, because the server subscribes some time after the reply.
fn is_there(entries: &[Entry], visit: usize, kind: Kind) -> Instant {
    let mut returns = entries.iter().enumerate().filter_map(|(nth, entry)| match entry {
        Entry::Back(at) => Some((nth, *at)),
        _ => None,
    });
    let (nth, at) = match visit.checked_sub(1) {
        Some(nth) => returns.nth(nth).expect("it came back"),
        None => (0, Instant::now()),
    };
    let heard =
        entries[nth..].iter().find_map(|entry| if let Entry::Heard { at, .. } = entry { Some(*at) } else { None });
    if kind.is_rust() { at } else { heard.expect("it has heard something") }
}

const SOON: Duration = Duration::from_millis(50);
