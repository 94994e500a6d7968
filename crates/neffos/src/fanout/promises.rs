//! Tests of the engine under load: random broadcasts and membership changes, compared with a model.

use proptest::prelude::*;
use tokio::task::yield_now;

use super::tests::{Probe, to};
use super::*;
use crate::budget::Budget;

/// The number of rooms in the namespace.
const ROOMS: usize = 3;
/// The number of connections. The first never changes its membership.
const MEMBERS: usize = 6;

#[derive(Debug, Clone)]
enum Act {
    /// Broadcasts `count` messages of `bytes` bytes each to the namespace or to a room.
    Broadcast {
        room: Option<usize>,
        count: usize,
        bytes: usize,
    },
    /// Sends to the members with one id.
    Tell {
        member: usize,
    },
    Join {
        member: usize,
        room: usize,
    },
    Leave {
        member: usize,
        room: usize,
    },
    Connect {
        member: usize,
    },
    Disconnect {
        member: usize,
    },
    /// Ends the connection, and adds another in its place.
    Replace {
        member: usize,
    },
    /// Yields this often to the dispatchers.
    Yield {
        turns: usize,
    },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (member, room) = (1..MEMBERS, 0..ROOMS);
    let rooms = proptest::option::of(0..ROOMS);
    let act = prop_oneof![
        4 => (rooms, 1_usize..100, prop_oneof![8_usize..200, 8_usize..2_000])
            .prop_map(|(room, count, bytes)| Act::Broadcast { room, count, bytes }),
        1 => (0..MEMBERS).prop_map(|member| Act::Tell { member }),
        3 => (member.clone(), room.clone()).prop_map(|(member, room)| Act::Join { member, room }),
        3 => (member.clone(), room).prop_map(|(member, room)| Act::Leave { member, room }),
        2 => member.clone().prop_map(|member| Act::Connect { member }),
        2 => member.clone().prop_map(|member| Act::Disconnect { member }),
        1 => member.prop_map(|member| Act::Replace { member }),
        2 => (1_usize..4).prop_map(|turns| Act::Yield { turns }),
    ];
    proptest::collection::vec(act, 1..30)
}

/// One connection, and the broadcasts that it must have received in the end.
struct Receiver {
    probe: Arc<Probe>,
    rooms: Option<Vec<usize>>,
    expected: Vec<usize>,
}

struct World {
    engine: Fanout<Probe>,
    namespace: Arc<str>,
    limits: OutboxLimits,
    budget: Arc<Budget>,
    present: Vec<Receiver>,
    gone: Vec<Receiver>,
    casts: usize,
    keys: u64,
}

impl World {
    fn new(shards: usize, ordered: bool, limits: OutboxLimits) -> Self {
        let engine = Fanout::new(NonZeroUsize::new(shards).unwrap(), ordered);
        let mut world = Self {
            engine,
            namespace: "ns".into(),
            limits,
            budget: Budget::unlimited(),
            present: Vec::new(),
            gone: Vec::new(),
            casts: 0,
            keys: 0,
        };
        for member in 0..MEMBERS {
            let receiver = world.arrive();
            world.present.push(receiver);
            world.connect(member);
            world.join(member, 0);
        }
        world
    }

    fn arrive(&mut self) -> Receiver {
        self.keys += 1;
        let probe = Probe::limited(self.keys, &self.keys.to_string(), self.limits);
        self.engine.insert(&probe);
        Receiver { probe, rooms: None, expected: Vec::new() }
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Broadcast { room, count, bytes } => (0..count).for_each(|_| self.broadcast(room, bytes)),
            Act::Tell { member } => self.tell(member),
            Act::Join { member, room } => self.join(member, room),
            Act::Leave { member, room } => self.leave(member, room),
            Act::Connect { member } => self.connect(member),
            Act::Disconnect { member } => self.disconnect(member),
            Act::Replace { member } => {
                let next = self.arrive();
                let gone = std::mem::replace(&mut self.present[member], next);
                self.engine.remove(&gone.probe, self.memberships(&gone));
                self.gone.push(gone);
            }
            Act::Yield { turns } => {
                for _ in 0..turns {
                    yield_now().await;
                }
            }
        }
    }

    fn broadcast(&mut self, room: Option<usize>, bytes: usize) {
        let number = self.number(|rooms| room.is_none_or(|room| rooms.contains(&room)), |_| true);
        let audience = Audience { room: room.map(|room| name(room).as_ref().into()), ..to("ns") };
        self.cast(audience, format!("{number:>bytes$};"));
    }

    fn tell(&mut self, member: usize) {
        let key = self.present[member].probe.key().to_string();
        let number = self.number(|_| true, |probe| **probe.id() == *key);
        let audience = Audience { id: Some(key.into()), ..to("ns") };
        self.cast(audience, format!("{number};"));
    }

    fn cast(&self, audience: Audience, text: String) {
        let chunk = Chunk::charged(text.into(), &self.budget);
        self.engine.broadcast(&Arc::new(Cast::new(audience, chunk, None)));
    }

    /// Returns the number of the next broadcast, and adds it to the expectations of its receivers.
    fn number(&mut self, place: impl Fn(&[usize]) -> bool, is_for: impl Fn(&Probe) -> bool) -> usize {
        let number = self.casts;
        self.casts += 1;
        for receiver in &mut self.present {
            if receiver.rooms.as_deref().is_some_and(&place) && is_for(&receiver.probe) {
                receiver.expected.push(number);
            }
        }
        number
    }

    fn connect(&mut self, member: usize) {
        let Receiver { probe, rooms, .. } = &mut self.present[member];
        if rooms.is_none() {
            *rooms = Some(Vec::new());
            self.engine.connect(probe, &self.namespace, Some(Bytes::from_static(b"hello;")));
        }
    }

    fn disconnect(&mut self, member: usize) {
        let receiver = &mut self.present[member];
        if let Some(rooms) = receiver.rooms.take() {
            let rooms = rooms.into_iter().map(name).collect();
            self.engine.disconnect(&receiver.probe, &self.namespace, rooms);
        }
    }

    fn join(&mut self, member: usize, room: usize) {
        let Receiver { probe, rooms: Some(rooms), .. } = &mut self.present[member] else { return };
        if !rooms.contains(&room) {
            rooms.push(room);
            self.engine.join(probe, &self.namespace, &name(room), None);
        }
    }

    fn leave(&mut self, member: usize, room: usize) {
        let Receiver { probe, rooms: Some(rooms), .. } = &mut self.present[member] else { return };
        if rooms.contains(&room) {
            rooms.retain(|joined| *joined != room);
            self.engine.leave(probe, &self.namespace, &name(room));
        }
    }

    fn memberships(&self, of: &Receiver) -> Places {
        let rooms = of.rooms.iter().map(|rooms| rooms.iter().copied().map(name).collect());
        rooms.map(|rooms| (self.namespace.clone(), rooms)).collect()
    }

    async fn check(self) -> Result<(), TestCaseError> {
        // The dispatchers end when nothing is pending.
        for receiver in &self.present {
            self.engine.remove(&receiver.probe, self.memberships(receiver));
            self.engine.settled(&*receiver.probe).await;
        }
        for receiver in self.present.iter().chain(&self.gone) {
            let text = receiver.probe.text();
            let seen: Vec<usize> = text.split(';').filter_map(|item| item.trim().parse().ok()).collect();
            prop_assert_eq!(&seen, &receiver.expected, "of {}", receiver.probe.key());
        }
        prop_assert_eq!(self.engine.totals().read().dropped(), 0);
        prop_assert_eq!((self.engine.len(), self.engine.all().len(), self.engine.count("ns", None)), (0, 0, 0));
        prop_assert_eq!(self.budget.used(), 0);
        Ok(())
    }
}

fn name(room: usize) -> Arc<str> {
    format!("room {room}").into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_receiver_whose_socket_accepts_everything_misses_nothing_whatever_other_connections_do(
        shards in 1_usize..4,
        ordered in any::<bool>(),
        messages in 1_usize..64,
        bytes in 1_usize..20_000,
        overflow in prop_oneof![Just(Overflow::DropNewest), Just(Overflow::DropOldest), Just(Overflow::Disconnect)],
        acts in acts(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(shards, ordered, OutboxLimits { messages, bytes, overflow });
            for act in acts {
                world.act(act).await;
            }
            world.check().await
        })?;
    }
}
