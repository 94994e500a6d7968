//! The index from namespaces and rooms to members. A broadcast to ten members of a room costs ten steps, regardless of
//! all other connections. Pure.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::group::{ByKey, Group, release, release_map};
use super::holders::{At, Everybody};
use super::{Audience, Except, Member, Place, Watch};
use crate::budget::{Budget, Charge};

pub(crate) struct Index<M> {
    everybody: Everybody<M>,
    namespaces: HashMap<Arc<str>, Namespace<M>>,
    watch: Option<Arc<dyn Watch>>,
    rooms: RoomMemory,
}

/// The memory of the rooms of all namespaces, without the part that is charged to the connections in them.
#[derive(Debug, Default)]
struct RoomMemory {
    bytes: usize,
    charge: Charge,
}

#[derive(Debug)]
struct Namespace<M> {
    members: Group<M>,
    rooms: HashMap<Arc<str>, Group<M>>,
}

impl<M: Member> Index<M> {
    /// Creates an index that charges its rooms to `budget`, and notifies `watch` which places have members.
    pub(crate) fn new(budget: Option<&Arc<Budget>>, watch: Option<Arc<dyn Watch>>) -> Self {
        let charge = budget.map(|budget| budget.charge(0)).unwrap_or_default();
        let rooms = RoomMemory { bytes: 0, charge };
        Self { everybody: Everybody::default(), namespaces: HashMap::new(), watch, rooms }
    }

    pub(crate) fn insert(&mut self, member: &Arc<M>) {
        if self.everybody.insert(member) == 1 {
            came(self.watch.as_ref(), &Place::Id(member.id()));
        }
    }

    /// Removes `member`, which has left its namespaces. Returns false if it was not there.
    pub(crate) fn remove(&mut self, member: &M) -> bool {
        let left = self.everybody.remove(member);
        if left == Some(0) {
            went(self.watch.as_ref(), &Place::Id(member.id()));
        }
        left.is_some()
    }

    /// Returns up to `count` members from `at` on, and moves `at` behind them. Returns `None` at the end.
    pub(crate) fn some(&self, at: &mut At, count: usize) -> Option<Vec<Arc<M>>> {
        self.everybody.some(at, count)
    }

    pub(crate) fn connect(&mut self, member: &Arc<M>, name: &Arc<str>) {
        // A connection that has been removed must not be added again by a late change.
        if !self.everybody.contains(&**member) {
            return;
        }
        let namespace = self.namespaces.entry(name.clone()).or_default();
        // Namespaces without members are removed.
        if namespace.members.is_empty() {
            came(self.watch.as_ref(), &Place::Namespace(name));
        }
        namespace.members.insert(ByKey(member.clone()));
    }

    /// Removes `key` from the namespace `name` and from `rooms`, which are all rooms that it joined there.
    pub(crate) fn disconnect(&mut self, key: u64, name: &str, rooms: &[Arc<str>]) {
        for room in rooms {
            self.leave(key, name, room);
        }
        let Some(namespace) = self.namespaces.get_mut(name) else { return };
        namespace.members.swap_remove(&key);
        release(&mut namespace.members);
        if namespace.members.is_empty() {
            let before = namespace.room_bytes();
            self.namespaces.remove(name);
            self.rooms.change(before, 0);
            went(self.watch.as_ref(), &Place::Namespace(name));
        }
    }

    pub(crate) fn join(&mut self, member: &Arc<M>, name: &str, room: &Arc<str>) {
        let Some(namespace) = self.namespaces.get_mut(name) else { return };
        if namespace.members.contains(&member.key()) {
            let before = namespace.room_bytes();
            let group = namespace.rooms.entry(room.clone()).or_default();
            // Rooms without members are removed.
            let is_new = group.is_empty();
            if is_new {
                came(self.watch.as_ref(), &Place::Room(name, room));
            }
            group.insert(ByKey(member.clone()));
            if is_new {
                self.rooms.change(before, namespace.room_bytes());
            }
        }
    }

    pub(crate) fn leave(&mut self, key: u64, name: &str, room: &str) {
        let Some(namespace) = self.namespaces.get_mut(name) else { return };
        let Some(group) = namespace.rooms.get_mut(room) else { return };
        group.swap_remove(&key);
        release(group);
        if group.is_empty() {
            let before = namespace.room_bytes();
            namespace.rooms.remove(room);
            release_map(&mut namespace.rooms);
            self.rooms.change(before, namespace.room_bytes());
            went(self.watch.as_ref(), &Place::Room(name, room));
        }
    }

    /// Calls `f` for every member that `audience` selects.
    pub(crate) fn for_each_member<'a>(&'a self, audience: &Audience, mut f: impl FnMut(&'a Arc<M>)) {
        let Some(group) = self.group(&audience.namespace, audience.room.as_deref()) else { return };
        match (&audience.id, &audience.except) {
            (Some(id), except) => {
                let present = self.everybody.with_id(id).filter(|member| group.contains(&member.key()));
                present.filter(|member| !except.covers(&***member)).for_each(f);
            }
            (None, Except::Nobody) => group.iter().for_each(|ByKey(member)| f(member)),
            (None, except) => {
                group.iter().filter(|ByKey(member)| !except.covers(&**member)).for_each(|ByKey(member)| f(member));
            }
        }
    }

    /// Calls `f` for the selected members at these positions of their namespace or room, with any id.
    pub(super) fn for_some_members<'a>(
        &'a self,
        audience: &Audience,
        places: Range<usize>,
        mut f: impl FnMut(&'a Arc<M>),
    ) {
        let Some(group) = self.group(&audience.namespace, audience.room.as_deref()) else { return };
        let end = places.end.min(group.len());
        let Some(members) = group.get_range(places.start.min(end)..end) else { return };
        for ByKey(member) in members {
            if !audience.except.covers(&**member) {
                f(member);
            }
        }
    }

    /// Returns an upper bound on the members that `audience` selects, without a look at each.
    pub(crate) fn size_hint(&self, audience: &Audience) -> usize {
        match &audience.id {
            Some(id) => self.everybody.count(id),
            None => self.count(&audience.namespace, audience.room.as_deref()),
        }
    }

    pub(crate) fn count(&self, namespace: &str, room: Option<&str>) -> usize {
        self.group(namespace, room).map_or(0, Group::len)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<M>> {
        self.everybody.iter()
    }

    pub(crate) fn with_id(&self, id: &str) -> Vec<Arc<M>> {
        self.everybody.with_id(id).cloned().collect()
    }

    fn group(&self, namespace: &str, room: Option<&str>) -> Option<&Group<M>> {
        let namespace = self.namespaces.get(namespace)?;
        match room {
            None => Some(&namespace.members),
            Some(room) => namespace.rooms.get(room),
        }
    }
}

impl<M> Namespace<M> {
    /// Returns the approximate memory of the rooms: their table and their groups. Names and members are charged to the
    /// connections.
    fn room_bytes(&self) -> usize {
        self.rooms.capacity() * size_of::<(Arc<str>, Group<M>)>() / 7 * 8 + self.rooms.len() * GROUP_BYTES
    }
}

impl RoomMemory {
    /// Records that the rooms of a namespace took `before` bytes, and take `after` now.
    fn change(&mut self, before: usize, after: usize) {
        self.bytes = (self.bytes + after).saturating_sub(before);
        self.charge.set_about(if self.bytes < UNCOUNTED_BYTES { 0 } else { self.bytes });
    }
}

fn came(watch: Option<&Arc<dyn Watch>>, place: &Place<'_>) {
    if let Some(watch) = watch {
        watch.came(place);
    }
}

fn went(watch: Option<&Arc<dyn Watch>>, place: &Place<'_>) {
    if let Some(watch) = watch {
        watch.went(place);
    }
}

impl<M: std::fmt::Debug> std::fmt::Debug for Index<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index")
            .field("everybody", &self.everybody)
            .field("namespaces", &self.namespaces)
            .finish_non_exhaustive()
    }
}

impl<M> Default for Namespace<M> {
    fn default() -> Self {
        Self { members: Group::default(), rooms: HashMap::new() }
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

/// The approximate memory of a group without its members.
const GROUP_BYTES: usize = 96;
/// Less memory of rooms than this is not charged, so that few rooms change no shared counter.
const UNCOUNTED_BYTES: usize = 16 * 1024;
