//! All members of a shard, found by id. Several members may share an id, but nearly always there is one.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use indexmap::IndexSet;

use super::Member;
use super::group::{ByKey, Group, release};

#[derive(Debug)]
pub(super) struct Everybody<M>(IndexSet<Holders<M>>);

/// A position: the index of an id, and of a member with that id.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct At {
    id: usize,
    holder: usize,
}

/// The members that share an id, at least one.
#[derive(Debug)]
enum Holders<M> {
    One(Arc<M>),
    /// At least two members.
    Many(Box<Group<M>>),
}

impl<M: Member> Everybody<M> {
    /// Adds a member, and returns how many members have its id now.
    pub(super) fn insert(&mut self, member: &Arc<M>) -> usize {
        let others = self.0.swap_take(&**member.id());
        let holders = others.map_or_else(|| Holders::One(member.clone()), |others| others.with(member));
        let count = holders.len();
        self.0.insert(holders);
        count
    }

    /// Removes a member, and returns how many members have its id now, or `None` if it was not there.
    pub(super) fn remove(&mut self, member: &M) -> Option<usize> {
        let holders = self.0.swap_take(&**member.id())?;
        let before = holders.len();
        let rest = holders.without(member.key());
        let after = rest.as_ref().map_or(0, Holders::len);
        if let Some(rest) = rest {
            self.0.insert(rest);
        } else if self.0.capacity() > 64 && self.0.len() * 4 < self.0.capacity() {
            // Frees memory after many members have left.
            self.0.shrink_to(self.0.len() * 2);
        }
        (after < before).then_some(after)
    }

    pub(super) fn contains(&self, member: &M) -> bool {
        match self.0.get(&**member.id()) {
            None => false,
            Some(Holders::One(only)) => only.key() == member.key(),
            Some(Holders::Many(group)) => group.contains(&member.key()),
        }
    }

    /// Returns how many members have this id.
    pub(super) fn count(&self, id: &str) -> usize {
        self.0.get(id).map_or(0, Holders::len)
    }

    pub(super) fn with_id(&self, id: &str) -> impl Iterator<Item = &Arc<M>> {
        self.0.get(id).into_iter().flat_map(Holders::iter)
    }

    /// Returns up to `count` members from `place` on, and moves `place` behind them. Returns `None` at the end. A
    /// member that is added or removed meanwhile may be skipped.
    pub(super) fn some(&self, place: &mut At, count: usize) -> Option<Vec<Arc<M>>> {
        let mut found = Vec::with_capacity(count);
        while let Some(holders) = self.0.get_index(place.id).filter(|_| found.len() < count) {
            let end = holders.len().min(place.holder + count - found.len());
            found.extend((place.holder..end).filter_map(|nth| holders.get(nth)).cloned());
            *place = match end == holders.len() {
                true => At { id: place.id + 1, holder: 0 },
                false => At { holder: end, ..*place },
            };
        }
        (!found.is_empty()).then_some(found)
    }

    /// Returns all members, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<M>> {
        self.0.iter().flat_map(Holders::iter)
    }
}

impl<M> Default for Everybody<M> {
    fn default() -> Self {
        Self(IndexSet::new())
    }
}

impl<M: Member> Holders<M> {
    fn with(self, member: &Arc<M>) -> Self {
        let mut group = match self {
            Self::One(first) => Box::new(Group::from_iter([ByKey(first)])),
            Self::Many(group) => group,
        };
        group.insert(ByKey(member.clone()));
        Self::Many(group)
    }

    /// Returns `None` if no member remains.
    fn without(self, key: u64) -> Option<Self> {
        match self {
            Self::One(only) => (only.key() != key).then_some(Self::One(only)),
            Self::Many(mut group) => {
                group.swap_remove(&key);
                release(&mut group);
                match group.len() {
                    1 => group.pop().map(|ByKey(only)| Self::One(only)),
                    _ => Some(Self::Many(group)),
                }
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(group) => group.len(),
        }
    }

    fn get(&self, nth: usize) -> Option<&Arc<M>> {
        match self {
            Self::One(only) => (nth == 0).then_some(only),
            Self::Many(group) => group.get_index(nth).map(|ByKey(member)| member),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<M>> {
        let (one, many) = match self {
            Self::One(only) => (Some(only), None),
            Self::Many(group) => (None, Some(group)),
        };
        one.into_iter().chain(many.into_iter().flat_map(|group| group.iter().map(|ByKey(member)| member)))
    }
}

impl<M: Member> Borrow<str> for Holders<M> {
    fn borrow(&self) -> &str {
        self.iter().next().map_or("", |member| member.id())
    }
}

impl<M: Member> Hash for Holders<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let id: &str = self.borrow();
        id.hash(state);
    }
}

impl<M: Member> PartialEq for Holders<M> {
    fn eq(&self, other: &Self) -> bool {
        let (id, other): (&str, &str) = (self.borrow(), other.borrow());
        id == other
    }
}

impl<M: Member> Eq for Holders<M> {}
