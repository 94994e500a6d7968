//! Who is where: namespace and room to members. A broadcast to ten members of a room costs ten, however many there are.

use std::collections::HashMap;
use std::sync::Arc;

use super::group::{ByKey, Group, release};
use super::holders::Everybody;
use super::{Audience, Except, Member};

#[derive(Debug)]
pub(crate) struct Index<M> {
    everybody: Everybody<M>,
    namespaces: HashMap<Arc<str>, Namespace<M>>,
}

#[derive(Debug)]
struct Namespace<M> {
    members: Group<M>,
    rooms: HashMap<Arc<str>, Group<M>>,
}

impl<M> Default for Index<M> {
    fn default() -> Self {
        Self { everybody: Everybody::default(), namespaces: HashMap::new() }
    }
}

impl<M: Member> Index<M> {
    pub(crate) fn insert(&mut self, member: &Arc<M>) {
        self.everybody.insert(member);
    }

    /// Forgets `member`, which has left its namespaces; false when it was not known.
    pub(crate) fn remove(&mut self, member: &M) -> bool {
        self.everybody.remove(member)
    }

    pub(crate) fn enter(&mut self, member: &Arc<M>, name: &Arc<str>) {
        // A connection that has gone meanwhile is in no place any more, and must not come back.
        if !self.everybody.contains(&**member) {
            return;
        }
        let namespace = self.namespaces.entry(name.clone()).or_default();
        namespace.members.insert(ByKey(member.clone()));
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
        if namespace.members.contains(&member.key()) {
            namespace.rooms.entry(room.clone()).or_default().insert(ByKey(member.clone()));
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

    /// At most how many `audience` selects, without looking at each.
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
