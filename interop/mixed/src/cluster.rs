//! Several servers on one broker.

use crate::ear::{Ear, text};
use crate::node::{Kind, Node};
use crate::setting::{Setting, Way};

/// Servers that share a separate broker.
#[derive(Debug)]
pub struct Cluster {
    /// The servers.
    pub nodes: Vec<Node>,
    /// The broker and the version of the servers in Go.
    pub setting: Setting,
    broker: Broker,
}

#[derive(Debug)]
enum Broker {
    Redis(brokers::Redis),
    Nats(brokers::Nats),
}

impl Cluster {
    /// Starts two servers of each kind, alternately: of this library, in Go, and once more.
    pub async fn of_both_kinds(setting: Setting) -> Self {
        Self::start(setting, &[Kind::Rust, setting.go(), Kind::Rust, setting.go()]).await
    }

    /// Starts one server of each of `kinds`.
    pub async fn start(setting: Setting, kinds: &[Kind]) -> Self {
        let broker = match setting.way {
            Way::Redis => Broker::Redis(brokers::Redis::start().await),
            Way::Nats => Broker::Nats(brokers::Nats::start().await),
        };
        let mut cluster = Self { nodes: Vec::new(), setting, broker };
        for kind in kinds {
            cluster.nodes.push(cluster.another(*kind, "127.0.0.1:0").await);
        }
        cluster
    }

    /// Starts one more server on the same broker.
    pub async fn another(&self, kind: Kind, address: &str) -> Node {
        let flags = match &self.broker {
            Broker::Redis(redis) => ["--redis".to_owned(), redis.url()],
            Broker::Nats(nats) => ["--nats".to_owned(), nats.url()],
        };
        Node::start(kind, address, &flags).await
    }

    /// Returns a client on each server, with a different id, in the namespace `default`.
    pub async fn ears(&self) -> Vec<Ear> {
        let mut ears = Vec::new();
        for (nth, node) in self.nodes.iter().enumerate() {
            ears.push(Ear::enter(node, NAMES[nth]).await);
        }
        ears
    }

    /// Checks that no other frame has arrived: a last message from each server must be next, over the channel of the
    /// namespace and over the channel of the id.
    ///
    /// # Panics
    ///
    /// If another frame arrives first.
    pub async fn silent(&self, ears: &mut [Ear]) {
        let mut ids: Vec<_> = ears.iter().map(|ear| ear.id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        for node in &self.nodes {
            node.call("bcast", &[("ns", "default"), ("event", "last"), ("body", &node.address)]).await;
            for id in &ids {
                let body = format!("{} to {id}", node.address);
                node.call("bcast", &[("ns", "default"), ("event", "last"), ("to", id), ("body", &body)]).await;
            }
        }
        for ear in ears {
            let heard = ear.take(2 * self.nodes.len()).await;
            let mut heard: Vec<_> = heard.iter().map(|frame| format!("{frame:?}")).collect();
            heard.sort_unstable();
            let to_all = self.nodes.iter().map(|node| node.address.clone());
            let to_one = self.nodes.iter().map(|node| format!("{} to {}", node.address, ear.id));
            let frames = to_all.chain(to_one).map(|body| text(&format!(";default;;last;0;0;{body}")));
            let mut expected: Vec<_> = frames.map(|frame| format!("{frame:?}")).collect();
            expected.sort_unstable();
            assert_eq!(heard, expected, "{}: {} has got what is not for it, or twice", self.setting, ear.id);
        }
    }
}

const NAMES: [&str; 6] = ["ada", "bob", "cyd", "dan", "eve", "fay"];
