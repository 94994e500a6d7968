//! Who is where: namespace and room to members. A broadcast to ten members of a room costs ten, however many there are.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use indexmap::IndexMap;

use super::{Audience, Except, Member};

#[derive(Debug)]
pub(crate) struct Index<M> {
    members: Group<M>,
    namespaces: HashMap<Arc<str>, Namespace<M>>,
    ids: HashMap<Arc<str>, Holders>,
}

/// Members in one place: walked like an array, found and removed in constant time.
type Group<M> = IndexMap<u64, Arc<M>, BuildHasherDefault<KeyHasher>>;

#[derive(Debug)]
struct Namespace<M> {
    members: Group<M>,
    rooms: HashMap<Arc<str>, Group<M>>,
}

/// The keys of those who share an id. Nearly always it is one, which needs no allocation.
#[derive(Debug)]
enum Holders {
    One(u64),
    Many(Vec<u64>),
}

impl<M> Default for Index<M> {
    fn default() -> Self {
        Self { members: Group::default(), namespaces: HashMap::new(), ids: HashMap::new() }
    }
}

impl<M: Member> Index<M> {
    pub(crate) fn insert(&mut self, member: &Arc<M>) {
        self.members.insert(member.key(), member.clone());
        match self.ids.get_mut(member.id()) {
            Some(holders) => holders.add(member.key()),
            None => drop(self.ids.insert(member.id().clone(), Holders::One(member.key()))),
        }
    }

    /// Forgets `member`, which has left its namespaces; false when it was not known.
    pub(crate) fn remove(&mut self, member: &M) -> bool {
        let key = member.key();
        if self.members.swap_remove(&key).is_none() {
            return false;
        }
        release(&mut self.members);
        if self.ids.get_mut(member.id()).is_some_and(|holders| holders.remove(key)) {
            self.ids.remove(member.id());
        }
        true
    }

    pub(crate) fn enter(&mut self, member: &Arc<M>, name: &Arc<str>) {
        // A connection that has gone meanwhile is in no place any more, and must not come back.
        if !self.members.contains_key(&member.key()) {
            return;
        }
        let namespace = self.namespaces.entry(name.clone()).or_default();
        namespace.members.insert(member.key(), member.clone());
    }

    /// Takes `key` out of the namespace `name` and of `rooms`, which are all that it joined there.
    pub(crate) fn exit(&mut self, key: u64, name: &str, rooms: &[Arc<str>]) {
        for room in rooms {
            self.leave(key, name, room);
        }
        let Some(namespace) = self.namespaces.get_mut(name) else { return };
        namespace.members.swap_remove(&key);
        release(&mut namespace.members);
        if namespace.members.is_empty() {
            self.namespaces.remove(name);
        }
    }

    pub(crate) fn join(&mut self, member: &Arc<M>, namespace: &str, room: &Arc<str>) {
        let Some(namespace) = self.namespaces.get_mut(namespace) else { return };
        if namespace.members.contains_key(&member.key()) {
            namespace.rooms.entry(room.clone()).or_default().insert(member.key(), member.clone());
        }
    }

    pub(crate) fn leave(&mut self, key: u64, namespace: &str, room: &str) {
        let Some(namespace) = self.namespaces.get_mut(namespace) else { return };
        let Some(group) = namespace.rooms.get_mut(room) else { return };
        group.swap_remove(&key);
        release(group);
        if group.is_empty() {
            namespace.rooms.remove(room);
        }
    }

    /// Calls `f` for everyone whom `audience` selects.
    pub(crate) fn for_each_member<'a>(&'a self, audience: &Audience, mut f: impl FnMut(&'a Arc<M>)) {
        let Some(group) = self.group(&audience.namespace, audience.room.as_deref()) else { return };
        match (&audience.id, &audience.except) {
            (Some(id), except) => self.holders(id).filter_map(|key| group.get(&key)).for_each(|member| {
                if !except.covers(&**member) {
                    f(member);
                }
            }),
            (None, Except::Nobody) => group.values().for_each(f),
            (None, Except::Member(key)) => group.iter().filter(|(k, _)| *k != key).for_each(|(_, member)| f(member)),
            (None, Except::Id(id)) => group.values().filter(|member| **member.id() != **id).for_each(f),
        }
    }

    /// At most how many `audience` selects, without looking at each.
    pub(crate) fn size_hint(&self, audience: &Audience) -> usize {
        match &audience.id {
            Some(id) => self.holders(id).count(),
            None => self.count(&audience.namespace, audience.room.as_deref()),
        }
    }

    pub(crate) fn count(&self, namespace: &str, room: Option<&str>) -> usize {
        self.group(namespace, room).map_or(0, IndexMap::len)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<M>> {
        self.members.values()
    }

    pub(crate) fn with_id(&self, id: &str) -> Vec<Arc<M>> {
        self.holders(id).filter_map(|key| self.members.get(&key).cloned()).collect()
    }

    fn group(&self, namespace: &str, room: Option<&str>) -> Option<&Group<M>> {
        let namespace = self.namespaces.get(namespace)?;
        match room {
            None => Some(&namespace.members),
            Some(room) => namespace.rooms.get(room),
        }
    }

    fn holders(&self, id: &str) -> impl Iterator<Item = u64> {
        self.ids.get(id).map_or(&[][..], Holders::as_slice).iter().copied()
    }
}

impl<M> Default for Namespace<M> {
    fn default() -> Self {
        Self { members: Group::default(), rooms: HashMap::new() }
    }
}

impl Holders {
    fn add(&mut self, key: u64) {
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, key]),
            Self::Many(keys) => keys.push(key),
        }
    }

    /// Takes `key` out; true when nobody is left.
    fn remove(&mut self, key: u64) -> bool {
        match self {
            Self::One(first) => *first == key,
            Self::Many(keys) => {
                keys.retain(|other| *other != key);
                keys.is_empty()
            }
        }
    }

    fn as_slice(&self) -> &[u64] {
        match self {
            Self::One(key) => std::slice::from_ref(key),
            Self::Many(keys) => keys,
        }
    }
}

impl Except {
    fn covers(&self, member: &impl Member) -> bool {
        match self {
            Self::Nobody => false,
            Self::Member(key) => member.key() == *key,
            Self::Id(id) => **member.id() == **id,
        }
    }
}

/// Gives memory back after a crowd has gone.
fn release<M>(group: &mut Group<M>) {
    if group.capacity() > 64 && group.len() * 4 < group.capacity() {
        group.shrink_to(group.len() * 2);
    }
}

/// Keys are our own counter, which no peer chooses: one multiplication spreads them.
#[derive(Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write_u64(&mut self, key: u64) {
        self.0 = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 ^ u64::from(byte));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
