//! The processors, memory and network that a cluster needs. Pure.

use super::load::Load;
use super::traffic::{Traffic, Wiring};
use crate::costs::{BrokerCosts, NodeCosts};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Needs {
    /// Fully used cores of each server, if each message arrives alone, and if many arrive together.
    pub(super) server_cores: [f64; 2],
    /// The same for the broker.
    pub(super) broker_cores: [f64; 2],
    /// Memory of each server, including its kernel's.
    pub(super) server_gib: f64,
    /// The data that the broker sends in a second.
    pub(super) broker_mbit: f64,
}

impl Needs {
    pub(super) fn of(load: &Load, wiring: Wiring, node: &NodeCosts, broker: &BrokerCosts) -> Self {
        let Traffic { said, heard, delivered, .. } = Traffic::of(load, wiring);
        let each_kib = node.memory_kib + node.kernel_kib;
        Self {
            server_cores: [(broker.said_us, broker.heard_us), (broker.said_many_us, broker.heard_many_us)]
                .map(|(saying, hearing)| said * saying + heard * hearing + delivered * node.delivery_us)
                .map(|servers_us| servers_us / 1e6 / load.servers),
            broker_cores: [(broker.in_us, broker.out_us), (broker.in_many_us, broker.out_many_us)]
                .map(|(taken, handed_out)| (said * taken + heard * handed_out) / 1e6),
            server_gib: load.connections / load.servers * each_kib / 1024.0 / 1024.0,
            broker_mbit: heard * ENVELOPE * 8.0 / 1e6,
        }
    }
}

/// A message of 128 bytes with its names and envelope, and the broker's frame around it.
const ENVELOPE: f64 = 260.0;

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeCosts =
        NodeCosts { delivery_us: 8.0, burst_us: 0.1, ask_us: 8.0, connect_us: 60.0, memory_kib: 1.5, kernel_kib: 4.5 };
    const BROKER: BrokerCosts = BrokerCosts {
        said_us: 20.0,
        heard_us: 10.0,
        in_us: 2.0,
        out_us: 1.0,
        said_many_us: 5.0,
        heard_many_us: 5.0,
        in_many_us: 1.0,
        out_many_us: 0.5,
    };

    #[test]
    fn each_message_costs_once_where_it_is_sent_received_and_delivered() {
        let load = Load { servers: 1.0, connections: 1024.0 * 1024.0, rooms: 1_000.0, room_size: 10.0, rate: 1.0 };
        let needs = Needs::of(&load, Wiring::Rooms, &NODE, &BROKER);
        assert!((needs.server_cores[0] - (20.0 + 10.0 + 80.0) / 1000.0).abs() < 1e-9);
        assert!((needs.server_cores[1] - (5.0 + 5.0 + 80.0) / 1000.0).abs() < 1e-9);
        assert!((needs.broker_cores[0] - 3.0 / 1000.0).abs() < 1e-9);
        assert!((needs.broker_cores[1] - 1.5 / 1000.0).abs() < 1e-9);
        assert_eq!(needs.server_gib, 6.0);
    }

    #[test]
    fn servers_share_deliveries_but_not_messages_that_all_receive() {
        let load = |servers| Load { servers, connections: 1e6, rooms: 1_000.0, room_size: 10_000.0, rate: 1.0 };
        let cores = |servers| Needs::of(&load(servers), Wiring::Namespace, &NODE, &BROKER);
        let (one, ten) = (cores(1.0), cores(10.0));
        assert!(ten.server_cores[0] < one.server_cores[0] / 9.0);
        assert!(ten.broker_cores[0] > one.broker_cores[0] * 3.0);
    }
}
