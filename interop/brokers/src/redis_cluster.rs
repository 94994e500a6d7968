//! A cluster of redis-servers, with or without replicas.

use tokio::task::yield_now;

use crate::{Redis, free_port, within};

/// Three masters with a third of the slots each, and either no replicas or one for each master.
#[derive(Debug)]
pub struct RedisCluster {
    /// The masters, and then their replicas, in the same order.
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts a cluster without replicas. Returns once it serves all slots.
    pub async fn start() -> Self {
        Self::of_masters(&[]).await
    }

    /// Starts a cluster with replicas. Returns once all replicas follow their masters and all nodes know that. When a
    /// master dies or hangs, its replica takes over within some seconds.
    pub async fn with_replicas() -> Self {
        // Without the last setting, a master waits some seconds for more replicas before it copies its data to one.
        let settings = ["--cluster-node-timeout", NODE_TIMEOUT, "--repl-diskless-sync-delay", "0"];
        let mut cluster = Self::of_masters(&settings).await;
        for _ in 0..MASTERS {
            cluster.enlarge(&settings, &[]).await;
        }
        within("the meeting of replicas", cluster.agrees(0)).await;
        for nth in 0..MASTERS {
            let master = cluster.nodes[nth].command("CLUSTER MYID").await;
            expect_ok(&cluster.nodes[nth + MASTERS], &format!("CLUSTER REPLICATE {master}")).await;
        }
        within("the filling of replicas", cluster.agrees(MASTERS)).await;
        cluster
    }

    async fn of_masters(settings: &[&str]) -> Self {
        let mut cluster = Self { nodes: Vec::new() };
        for (nth, slots) in SLOTS.into_iter().enumerate() {
            // With different epochs from the beginning, the nodes never have to resolve a conflict.
            let epoch = format!("CLUSTER SET-CONFIG-EPOCH {}", nth + 1);
            cluster.enlarge(settings, &[format!("CLUSTER ADDSLOTSRANGE {slots}"), epoch]).await;
        }
        within("the making of a cluster", cluster.agrees(0)).await;
        cluster
    }

    /// Starts another node, runs commands on it while it knows no other node, and introduces it to the cluster.
    async fn enlarge(&mut self, settings: &[&str], alone: &[String]) {
        // The default port of the cluster bus may be above the highest port.
        let bus = free_port().to_string();
        let own = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port", &bus];
        let node = Redis::with(&[&own, settings].concat()).await;
        for command in alone {
            expect_ok(&node, command).await;
        }
        if let Some(first) = self.nodes.first() {
            expect_ok(first, &format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port())).await;
        }
        self.nodes.push(node);
    }

    /// Waits until each node knows all nodes, including `replicas` replicas, and all slots are served.
    async fn agrees(&self, replicas: usize) {
        for node in &self.nodes {
            while !knows_all(node, self.nodes.len(), replicas).await {
                yield_now().await;
            }
        }
    }

    /// Returns all nodes: the masters, and then their replicas in the same order.
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// Returns all nodes, for example to kill one.
    pub fn nodes_mut(&mut self) -> &mut [Redis] {
        &mut self.nodes
    }

    /// Waits until the replica of this master has taken over, and returns its index. Other nodes may learn of it a
    /// little later.
    pub async fn successor(&self, master: usize) -> usize {
        let successor = master + MASTERS;
        within("the failover", async {
            while own_line(&self.nodes[successor]).await.split(' ').count() <= FIXED_FIELDS {
                yield_now().await;
            }
        })
        .await;
        successor
    }

    /// Waits until this former master follows its successor.
    pub async fn demoted(&self, master: usize) {
        within("the demotion", async {
            while self.nodes[master].command("INFO replication").await.contains("role:master") {
                yield_now().await;
            }
        })
        .await;
    }

    /// Returns the slot of a channel or key.
    pub async fn slot_of(&self, key: &str) -> u16 {
        let answer = self.nodes[0].command(&format!("CLUSTER KEYSLOT {key}")).await;
        answer.trim_start_matches(':').parse().expect("a slot is a number")
    }

    /// Returns the node that has this slot.
    pub async fn owner(&self, slot: u16) -> usize {
        for (nth, node) in self.nodes.iter().enumerate() {
            let own = own_line(node).await;
            let mut ranges = own.split(' ').skip(FIXED_FIELDS).filter(|range| !range.starts_with('['));
            let holds = |range: &str| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let number = |text: &str| text.parse::<u16>().ok();
                number(first) <= Some(slot) && Some(slot) <= number(last)
            };
            if ranges.any(holds) {
                return nth;
            }
        }
        panic!("no server has slot {slot}")
    }

    /// Moves a slot to another node, as `redis-cli --cluster reshard` does.
    pub async fn move_slot(&self, slot: u16, to: usize) {
        let from = self.owner(slot).await;
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let (source_id, target_id) = (source.command("CLUSTER MYID").await, target.command("CLUSTER MYID").await);
        expect_ok(target, &format!("CLUSTER SETSLOT {slot} IMPORTING {source_id}")).await;
        expect_ok(source, &format!("CLUSTER SETSLOT {slot} MIGRATING {target_id}")).await;
        for node in [target, source] {
            expect_ok(node, &format!("CLUSTER SETSLOT {slot} NODE {target_id}")).await;
        }
    }

    /// Returns a URL with two of the nodes.
    pub fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", self.nodes[0].port(), self.nodes[1].port())
    }
}

async fn knows_all(node: &Redis, nodes: usize, replicas: usize) -> bool {
    let info = node.command("CLUSTER INFO").await;
    let is_whole = info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{nodes}\r"));
    let shown = node.command("CLUSTER NODES").await;
    let is_replica = |line: &&str| line.contains("slave ");
    is_whole && shown.lines().filter(is_replica).count() == replicas && is_filled(node).await
}

/// Whether the node is a master, or has all data of its master.
async fn is_filled(node: &Redis) -> bool {
    let info = node.command("INFO replication").await;
    info.contains("role:master") || info.contains("master_link_status:up")
}

/// Returns the line of `CLUSTER NODES` in which the node describes itself.
async fn own_line(node: &Redis) -> String {
    let shown = node.command("CLUSTER NODES").await;
    shown.lines().find(|line| line.contains("myself")).unwrap_or_default().to_owned()
}

async fn expect_ok(node: &Redis, command: &str) {
    assert_eq!(node.command(command).await, "+OK", "{command}");
}

const MASTERS: usize = 3;
const SLOTS: [&str; MASTERS] = ["0 5460", "5461 10922", "10923 16383"];
/// After this many milliseconds of silence, other nodes consider a node dead.
const NODE_TIMEOUT: &str = "1000";
/// The number of fields in a line of `CLUSTER NODES` before the slots.
const FIXED_FIELDS: usize = 8;
