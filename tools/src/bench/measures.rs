//! The measures: load, contestants, figures and their order.

use super::contestants::{
    AMONG_NATS, AMONG_REDIS, CENTRIFUGO, Contestant, FLOOR, FLOOR_16, HUB, HUB_TLS, OURS, SOCKUDO,
};
use crate::figures::Figure;

#[derive(Debug)]
pub(super) struct Measure {
    pub(super) name: &'static str,
    pub(super) mode: Mode,
    /// For `neffos bench`.
    pub(super) flags: &'static str,
    pub(super) whom: Whom,
    /// The columns of the table. The first one is compared with the reference.
    pub(super) figures: &'static [Figure],
    pub(super) reference: &'static str,
    /// The number of open connections.
    pub(super) connections: u64,
    pub(super) order: Order,
}

/// When the measure runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    AfterTheLast,
    /// In each repetition together with the measure before it, because the two are compared.
    WithTheLast,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Broadcast,
    /// A broadcast whose messages are posted to the HTTP API.
    Publish,
    Ask,
    Connect,
    Idle,
}

/// The contestants of a measure.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whom {
    All,
    Only(&'static [&'static str]),
}

impl Mode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Broadcast | Self::Publish => "broadcast",
            Self::Ask => "ask",
            Self::Connect => "connect",
            Self::Idle => "idle",
        }
    }
}

impl Measure {
    /// Whether `who` has a row in the table. A floor has one only if others are compared with it.
    pub(super) fn lists(&self, who: &Contestant) -> bool {
        let is_floor = [FLOOR, FLOOR_16].contains(&who.name);
        match self.whom {
            _ if is_floor && who.name != self.reference => false,
            Whom::All => !who.is_for_few(),
            Whom::Only(names) => names.contains(&who.name),
        }
    }

    /// Returns the head of the first column of ratios.
    pub(super) fn reference_title(&self) -> &'static str {
        match self.reference {
            FLOOR | FLOOR_16 => "the floor",
            OURS => "ours",
            HUB => "the program",
            _ => "ours over Redis",
        }
    }

    /// Whether `who` takes part in this measure, and supports it.
    pub(super) fn is_for(&self, who: &Contestant) -> bool {
        let can = match self.mode {
            Mode::Ask => who.dialect.has_asks(),
            Mode::Broadcast if self.flags.contains("--room") => who.dialect.has_rooms(),
            _ => true,
        };
        can && self.lists(who)
    }

    /// Returns the arguments of `neffos bench` for `who`, without the address.
    pub(super) fn arguments(&self, who: &Contestant) -> String {
        let mut arguments = match self.mode {
            // Servers without rooms take part without them.
            Mode::Idle if !who.dialect.has_rooms() => self.flags.replace("--room room-% ", ""),
            _ => self.flags.to_owned(),
        };
        // Only measures of memory wait until it is stable.
        if !arguments.contains("--settle") {
            arguments += " --settle 0s";
        }
        arguments
    }
}

const COST: &[Figure] = &[Figure::Cost, Figure::Rate];
const LATE: &[Figure] = &[Figure::Cost, Figure::KernelShare, Figure::P50, Figure::P99];
const ROOM: &[Figure] = &[Figure::PerBroadcast, Figure::P99];
const AMONG: &[Figure] =
    &[Figure::Cost, Figure::SendersCost, Figure::BrokersCost, Figure::P50, Figure::P99, Figure::BrokersConnections];
const AMONG_A_BURST: &[Figure] =
    &[Figure::Cost, Figure::SendersCost, Figure::BrokersCost, Figure::P50, Figure::P99, Figure::Rate];
const AMONG_A_ROOM: &[Figure] =
    &[Figure::PerBroadcast, Figure::SendersCost, Figure::BrokersCost, Figure::P50, Figure::P99];
const JOINS: &[Figure] = &[Figure::Cost, Figure::BrokersCost, Figure::Rate];
const CROWD: &[Figure] = &[Figure::Cost, Figure::MemoryEach, Figure::KernelEach];

/// One broadcast at a time.
const fn paced(name: &'static str, flags: &'static str, connections: u64) -> Measure {
    let (mode, whom) = (Mode::Broadcast, Whom::All);
    Measure { name, mode, flags, whom, figures: LATE, reference: FLOOR, connections, order: Order::AfterTheLast }
}

/// Messages are sent without a pause.
const fn burst(name: &'static str, flags: &'static str, connections: u64) -> Measure {
    Measure { figures: COST, reference: FLOOR_16, ..paced(name, flags, connections) }
}

const FEW: Whom =
    Whom::Only(&[OURS, FLOOR, FLOOR_16, "go25-gobwas", "go25-gorilla", "socketioxide", "centrifuge", SOCKUDO]);
/// Sockudo's default queue does not hold this many messages at once.
const FEW_AT_ONCE: Whom =
    Whom::Only(&[OURS, FLOOR, FLOOR_16, "go25-gobwas", "go25-gorilla", "socketioxide", "centrifuge"]);
const FLOORS: Whom = Whom::Only(&[OURS, FLOOR, FLOOR_16]);
const CLUSTERS: Whom = Whom::Only(&[AMONG_REDIS[0], AMONG_NATS[0], AMONG_REDIS[1], AMONG_NATS[1]]);

/// From one server to another.
const fn between(name: &'static str, flags: &'static str, connections: u64) -> Measure {
    Measure { whom: CLUSTERS, figures: AMONG, reference: AMONG_REDIS[0], ..paced(name, flags, connections) }
}

/// Message by message over HTTP.
const fn publish(name: &'static str, flags: &'static str, connections: u64) -> Measure {
    let (mode, whom) = (Mode::Publish, Whom::Only(&[HUB, CENTRIFUGO]));
    Measure { mode, whom, figures: PUBLISH, reference: HUB, ..paced(name, flags, connections) }
}

const PUBLISH: &[Figure] = &[Figure::PerBroadcast, Figure::Cost, Figure::P50, Figure::P99];
const OURS_ALONE: Whom = Whom::Only(&[OURS]);
const TLS: Whom = Whom::Only(&[HUB, HUB_TLS]);

pub(super) const MEASURES: [Measure; 30] = [
    Measure { whom: FEW_AT_ONCE, ..burst("burst-100", "--receivers 100 --messages 2000", 101) },
    burst("burst-1000", "--receivers 1000 --messages 200", 1_001),
    Measure {
        whom: Whom::Only(&[OURS, FLOOR_16]),
        ..burst("burst-1000-long", "--receivers 1000 --messages 2000", 1_001)
    },
    Measure {
        whom: OURS_ALONE,
        figures: &[Figure::Cost, Figure::Rate, Figure::Changes],
        reference: OURS,
        order: Order::WithTheLast,
        ..burst("burst-1000-churn", "--receivers 1000 --messages 2000 --churning 2", 1_003)
    },
    Measure {
        whom: Whom::Only(&[OURS, FLOOR_16, "go25-gobwas", "socketioxide"]),
        ..burst("burst-5000", "--receivers 5000 --messages 200", 5_001)
    },
    Measure { whom: Whom::Only(&[OURS, FLOOR_16]), ..burst("burst-10000", "--receivers 10000 --messages 200", 10_001) },
    Measure { whom: FEW, ..paced("paced-100", "--receivers 100 --rate 50 --messages 150", 101) },
    paced("paced-1000", "--receivers 1000 --rate 50 --messages 150", 1_001),
    Measure {
        whom: Whom::Only(&[OURS, FLOOR, "go25-gobwas", "socketioxide"]),
        ..paced("paced-5000", "--receivers 5000 --rate 10 --messages 30", 5_001)
    },
    Measure {
        whom: Whom::Only(&[OURS, FLOOR]),
        ..paced("paced-10000", "--receivers 10000 --rate 5 --messages 20", 10_001)
    },
    Measure {
        whom: Whom::Only(&[OURS, HUB]),
        reference: OURS,
        ..paced("hub-1000", "--receivers 1000 --rate 50 --messages 150", 1_001)
    },
    Measure {
        whom: Whom::Only(&[OURS, "go25-gobwas"]),
        reference: OURS,
        ..paced("stuck", "--receivers 1000 --stuck 1 --rate 50 --messages 150", 1_001)
    },
    Measure {
        whom: Whom::All,
        figures: ROOM,
        reference: OURS,
        ..paced("room-alone", "--receivers 10 --room small --rate 50 --messages 100", 11)
    },
    Measure {
        whom: Whom::Only(&[OURS, "go25-gobwas", "go25-gorilla", "socketioxide", "centrifuge", SOCKUDO]),
        figures: ROOM,
        reference: OURS,
        ..paced("room-5000", "--receivers 10 --bystanders 5000 --room small --rate 50 --messages 100", 5_011)
    },
    Measure {
        whom: Whom::All,
        figures: ROOM,
        reference: OURS,
        ..paced("room-10000", "--receivers 10 --bystanders 10000 --room small --rate 50 --messages 100", 10_011)
    },
    Measure {
        name: "idle",
        mode: Mode::Idle,
        flags: "--connections 10000 --room room-% --warm-up 50 --settle 1s --hold 1s",
        whom: Whom::All,
        figures: &[Figure::MemoryEach],
        reference: OURS,
        connections: 10_000,
        order: Order::AfterTheLast,
    },
    Measure {
        name: "idle-tls",
        mode: Mode::Idle,
        flags: "--connections 5000 --room room-% --warm-up 50 --settle 1s --hold 1s",
        whom: TLS,
        figures: &[Figure::MemoryEach],
        reference: HUB,
        connections: 5_000,
        order: Order::AfterTheLast,
    },
    Measure {
        whom: Whom::Only(&[OURS, "go25-gobwas", "socketioxide", "centrifuge"]),
        figures: &[Figure::MemoryAfter, Figure::MemoryEach],
        reference: OURS,
        ..burst("afterwards", "--receivers 1000 --messages 1000 --warm-up 50 --settle 2s", 1_001)
    },
    Measure {
        name: "connect",
        mode: Mode::Connect,
        flags: "--connections 100 --total 10000",
        whom: Whom::All,
        figures: &[Figure::Cost, Figure::KernelShare, Figure::Rate],
        reference: FLOOR,
        connections: 100,
        order: Order::AfterTheLast,
    },
    Measure {
        name: "connect-tls",
        mode: Mode::Connect,
        flags: "--connections 100 --total 5000",
        whom: TLS,
        figures: &[Figure::Cost, Figure::KernelShare, Figure::Rate],
        reference: HUB,
        connections: 100,
        order: Order::AfterTheLast,
    },
    Measure {
        name: "ask",
        mode: Mode::Ask,
        flags: "--connections 100 --asks 300000",
        whom: Whom::All,
        figures: &[Figure::Cost, Figure::KernelShare, Figure::P50, Figure::P99, Figure::Rate],
        reference: FLOOR,
        connections: 100,
        order: Order::AfterTheLast,
    },
    publish("publish-1", "--receivers 1 --rate 500 --messages 2000", 2),
    publish("publish-1000", "--receivers 1000 --rate 50 --messages 150", 1_001),
    Measure {
        whom: OURS_ALONE,
        figures: CROWD,
        reference: OURS,
        ..paced("crowd-2000", "--receivers 2000 --rate 1 --messages 10 --warm-up 50 --settle 1s", 2_001)
    },
    Measure {
        whom: OURS_ALONE,
        figures: CROWD,
        reference: OURS,
        ..paced("crowd-19000", "--receivers 19000 --rate 1 --messages 10 --warm-up 50 --settle 1s", 19_001)
    },
    Measure {
        figures: AMONG_A_ROOM,
        ..between("cluster-room", "--receivers 10 --bystanders 1000 --room small --rate 10 --messages 50", 1_011)
    },
    between("cluster-1000", "--receivers 1000 --rate 10 --messages 30", 1_001),
    between("cluster-5000", "--receivers 5000 --rate 2 --messages 10", 5_001),
    Measure { figures: AMONG_A_BURST, ..between("cluster-burst", "--receivers 1000 --messages 200", 1_001) },
    Measure {
        mode: Mode::Connect,
        figures: JOINS,
        ..between("cluster-joins", "--connections 100 --total 5000 --room room-%", 100)
    },
];

/// Groups the measures that run together.
pub(super) fn together<'a>(measures: &'a [&'static Measure]) -> impl Iterator<Item = &'a [&'static Measure]> {
    measures.chunk_by(|_, next| next.order == Order::WithTheLast)
}

/// Shows in seconds that every part works. The figures mean nothing, because the builds are not optimised.
pub(super) const BRIEF: [Measure; 8] = [
    Measure { whom: FLOORS, ..burst("burst-100", "--receivers 100 --messages 500", 101) },
    Measure {
        whom: OURS_ALONE,
        figures: &[Figure::Cost, Figure::Changes],
        reference: OURS,
        order: Order::WithTheLast,
        ..burst("burst-1000-churn", "--receivers 100 --messages 500 --churning 2", 103)
    },
    Measure { whom: FLOORS, ..paced("paced-100", "--receivers 100 --rate 50 --messages 50", 101) },
    Measure {
        whom: OURS_ALONE,
        figures: ROOM,
        reference: OURS,
        ..paced("room-alone", "--receivers 10 --bystanders 90 --room small --rate 50 --messages 50", 101)
    },
    Measure {
        name: "connect",
        mode: Mode::Connect,
        flags: "--connections 20 --total 200",
        whom: FLOORS,
        figures: &[Figure::Cost, Figure::Rate],
        reference: FLOOR,
        connections: 20,
        order: Order::AfterTheLast,
    },
    Measure {
        name: "connect-tls",
        mode: Mode::Connect,
        flags: "--connections 10 --total 50",
        whom: TLS,
        figures: &[Figure::Cost, Figure::Rate],
        reference: HUB,
        connections: 10,
        order: Order::AfterTheLast,
    },
    Measure { whom: Whom::Only(&[HUB]), ..publish("publish-1", "--receivers 1 --rate 50 --messages 50", 2) },
    Measure {
        name: "ask",
        mode: Mode::Ask,
        flags: "--connections 20 --asks 2000",
        whom: FLOORS,
        figures: &[Figure::Cost, Figure::P99],
        reference: FLOOR,
        connections: 20,
        order: Order::AfterTheLast,
    },
];

#[cfg(test)]
mod tests {
    use super::super::contestants::CONTESTANTS;
    use super::*;

    fn measure(name: &str) -> &'static Measure {
        MEASURES.iter().find(|measure| measure.name == name).unwrap()
    }

    fn contestant(name: &str) -> &'static Contestant {
        CONTESTANTS.iter().find(|who| who.name == name).unwrap()
    }

    #[test]
    fn a_server_without_rooms_has_a_row_but_no_measure_of_rooms() {
        let (rooms, ws) = (measure("room-10000"), contestant("ws"));
        assert!(rooms.lists(ws) && !rooms.is_for(ws));
        assert!(rooms.is_for(contestant("socketio")) && !rooms.lists(contestant(FLOOR)));
        assert_eq!(measure("idle").arguments(ws), "--connections 10000 --warm-up 50 --settle 1s --hold 1s");
    }

    #[test]
    fn compared_measures_run_together() {
        let all: Vec<_> = MEASURES.iter().collect();
        let groups: Vec<Vec<_>> =
            together(&all).map(|group| group.iter().map(|measure| measure.name).collect()).collect();
        assert!(groups.contains(&vec!["burst-1000-long", "burst-1000-churn"]), "{groups:?}");
        assert!(groups.contains(&vec!["burst-5000"]), "{groups:?}");
    }

    #[test]
    fn whole_servers_take_part_only_in_measures_that_name_them() {
        let takes_part = |name: &str, who: &str| measure(name).is_for(contestant(who));
        assert!(takes_part("publish-1", HUB) && takes_part("publish-1", CENTRIFUGO) && !takes_part("publish-1", OURS));
        assert!(
            takes_part("idle-tls", HUB_TLS) && !takes_part("idle", HUB_TLS) && !takes_part("paced-1000", CENTRIFUGO)
        );
        assert!(["burst-1000", "paced-1000", "room-10000", "idle"].iter().all(|name| takes_part(name, SOCKUDO)));
        assert!(measure("ask").lists(contestant(SOCKUDO)) && !takes_part("ask", SOCKUDO));
    }

    #[test]
    fn every_named_contestant_exists_and_names_are_unique() {
        for measure in MEASURES.iter().chain(&BRIEF) {
            contestant(measure.reference);
            if let Whom::Only(names) = measure.whom {
                names.iter().for_each(|name| assert_eq!(contestant(name).name, *name));
            }
        }
        let mut names: Vec<_> = MEASURES.iter().map(|measure| measure.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), MEASURES.len());
    }
}
