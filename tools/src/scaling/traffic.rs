//! The messages that servers publish, receive and deliver in a second. Pure.

use super::load::Load;

/// How messages reach the other servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wiring {
    /// A channel for each room: a server receives messages of rooms in which it has members. Used by servers of this
    /// library.
    Rooms,
    /// A channel for each namespace: every server receives everything. Used by servers of this library in a cluster
    /// with servers in Go, and by servers in Go over NATS from 0.0.25 on.
    Namespace,
    /// The same, and a subscription for each connection: the broker sends a copy to each. Used by servers in Go over
    /// Redis.
    Connections,
}

/// The messages of all servers together, in a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Traffic {
    /// Messages that the broker receives.
    pub(super) said: f64,
    /// Copies that it sends. A server also receives its own messages.
    pub(super) heard: f64,
    /// Messages that clients receive.
    pub(super) delivered: f64,
    /// Subscriptions at the broker.
    pub(super) subscriptions: f64,
}

impl Traffic {
    pub(super) fn of(load: &Load, wiring: Wiring) -> Self {
        let said = load.said();
        let copies = match wiring {
            Wiring::Rooms => load.servers_of_a_room(),
            Wiring::Namespace => load.servers,
            Wiring::Connections => load.connections,
        };
        Self {
            said,
            heard: said * copies,
            delivered: said * load.room_size,
            subscriptions: subscriptions(load, wiring),
        }
    }
}

/// In any case, each id has a subscription.
fn subscriptions(load: &Load, wiring: Wiring) -> f64 {
    load.connections
        + match wiring {
            Wiring::Rooms => load.rooms * load.servers_of_a_room() + load.servers * OWN,
            Wiring::Namespace => load.servers * OWN,
            Wiring::Connections => load.connections,
        }
}

/// Subscriptions of each server: the namespace, itself, and all servers.
const OWN: f64 = 3.0;

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Load = Load { servers: 2.0, connections: 100.0, rooms: 10.0, room_size: 2.0, rate: 5.0 };

    #[test]
    fn with_channels_for_rooms_a_message_reaches_servers_with_members() {
        let traffic = Traffic::of(&LOAD, Wiring::Rooms);
        assert_eq!((traffic.said, traffic.heard, traffic.delivered), (50.0, 75.0, 100.0));
        assert_eq!(traffic.subscriptions, 100.0 + 15.0 + 6.0);
    }

    #[test]
    fn with_a_channel_for_the_namespace_a_message_reaches_every_server_or_every_connection() {
        assert_eq!(Traffic::of(&LOAD, Wiring::Namespace).heard, 100.0);
        assert_eq!(Traffic::of(&LOAD, Wiring::Connections).heard, 5_000.0);
        assert_eq!(Traffic::of(&LOAD, Wiring::Connections).delivered, 100.0);
    }
}
