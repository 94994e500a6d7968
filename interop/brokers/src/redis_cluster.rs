//! A cluster of redis-servers.

use tokio::task::yield_now;

use crate::{Redis, free_port, within};

/// Three masters with a third of the slots each, and no replicas.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts one, and returns when it serves all slots.
    pub async fn start() -> Self {
        let mut cluster = Self { nodes: Vec::new() };
        for (nth, slots) in ["0 5460", "5461 10922", "10923 16383"].into_iter().enumerate() {
            // What port it would take for its bus by itself may be beyond all ports.
            let bus = free_port().to_string();
            let settings = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port", &bus];
            let node = Redis::with(&settings).await;
            expect_ok(&node, &format!("CLUSTER ADDSLOTSRANGE {slots}")).await;
            // Different from the beginning, no two need to be told apart later.
            expect_ok(&node, &format!("CLUSTER SET-CONFIG-EPOCH {}", nth + 1)).await;
            if let Some(first) = cluster.nodes.first() {
                expect_ok(first, &format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port())).await;
            }
            cluster.nodes.push(node);
        }
        within("the making of a cluster", cluster.agrees()).await;
        cluster
    }

    /// Waits until each node knows all, and that all slots are served.
    async fn agrees(&self) {
        for node in &self.nodes {
            while !knows_all(node).await {
                yield_now().await;
            }
        }
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// The node that has this slot.
    pub async fn owner(&self, slot: u16) -> usize {
        for (nth, node) in self.nodes.iter().enumerate() {
            let shown = node.command("CLUSTER NODES").await;
            let own = shown.lines().find(|line| line.contains("myself")).unwrap_or_default();
            let mut ranges = own.split(' ').skip(8).filter(|range| !range.starts_with('['));
            let holds = |range: &str| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let number = |text: &str| text.parse::<u16>().ok();
                number(first) <= Some(slot) && Some(slot) <= number(last)
            };
            if ranges.any(holds) {
                return nth;
            }
        }
        panic!("nobody has slot {slot}")
    }

    /// Has a slot moved to another node, as `redis-cli --cluster reshard` does.
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

    /// Two of its nodes, as `redis+cluster://…`.
    pub fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", self.nodes[0].port(), self.nodes[1].port())
    }
}

async fn knows_all(node: &Redis) -> bool {
    let info = node.command("CLUSTER INFO").await;
    info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3\r")
}

async fn expect_ok(node: &Redis, command: &str) {
    assert_eq!(node.command(command).await, "+OK", "{command}");
}
