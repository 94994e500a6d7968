//! Every member of a shard, found by its id. Several may share one; nearly always it is one.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use indexmap::IndexSet;

use super::Member;
use super::group::{ByKey, Group, release};

#[derive(Debug)]
pub(super) struct Everybody<M>(IndexSet<Holders<M>>);

/// Which of the ids, and which of its holders.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct At {
    id: usize,
    holder: usize,
}

/// Those who share an id; never nobody.
#[derive(Debug)]
enum Holders<M> {
    One(Arc<M>),
    /// Two at least.
    Many(Box<Group<M>>),
}

impl<M: Member> Everybody<M> {
    /// Returns how many have its id now.
    pub(super) fn insert(&mut self, member: &Arc<M>) -> usize {
        let others = self.0.swap_take(&**member.id());
        let holders = others.map_or_else(|| Holders::One(member.clone()), |others| others.with(member));
        let count = holders.len();
        self.0.insert(holders);
        count
    }

    /// Returns how many still have its id; none when it was not there.
    pub(super) fn remove(&mut self, member: &M) -> Option<usize> {
        let holders = self.0.swap_take(&**member.id())?;
        let before = holders.len();
        let rest = holders.without(member.key());
        let after = rest.as_ref().map_or(0, Holders::len);
        if let Some(rest) = rest {
            self.0.insert(rest);
        } else if self.0.capacity() > 64 && self.0.len() * 4 < self.0.capacity() {
            // Gives memory back after a crowd has gone.
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

    /// How many have this id.
    pub(super) fn count(&self, id: &str) -> usize {
        self.0.get(id).map_or(0, Holders::len)
    }

    pub(super) fn with_id(&self, id: &str) -> impl Iterator<Item = &Arc<M>> {
        self.0.get(id).into_iter().flat_map(Holders::iter)
    }

    /// Up to `count` members at `place`, which moves behind them; none behind the last. A member that is added or removed meanwhile
    /// may be passed over.
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

    /// All, in no order.
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

    /// None when nobody is left.
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
