//! Every member of a shard, found by its id. Several may share one; nearly always it is one.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::slice;
use std::sync::Arc;

use super::Member;

#[derive(Debug)]
pub(super) struct Everybody<M>(HashSet<Holders<M>>);

/// Those who share an id; never nobody.
#[derive(Debug)]
enum Holders<M> {
    One(Arc<M>),
    Many(Box<Crowd<M>>),
}

/// Two at least.
#[derive(Debug)]
struct Crowd<M>(Vec<Arc<M>>);

impl<M: Member> Everybody<M> {
    pub(super) fn insert(&mut self, member: &Arc<M>) {
        let others = self.0.take(&**member.id());
        self.0.insert(others.map_or_else(|| Holders::One(member.clone()), |others| others.with(member)));
    }

    /// False when it was not there.
    pub(super) fn remove(&mut self, member: &M) -> bool {
        let Some(holders) = self.0.take(&**member.id()) else { return false };
        let before = holders.as_slice().len();
        let rest = holders.without(member.key());
        let after = rest.as_ref().map_or(0, |rest| rest.as_slice().len());
        rest.map(|rest| self.0.insert(rest));
        if self.0.capacity() > 64 && self.0.len() * 4 < self.0.capacity() {
            // Gives memory back after a crowd has gone.
            self.0.shrink_to(self.0.len() * 2);
        }
        after < before
    }

    pub(super) fn contains(&self, member: &M) -> bool {
        self.with_id(member.id()).iter().any(|other| other.key() == member.key())
    }

    pub(super) fn with_id(&self, id: &str) -> &[Arc<M>] {
        self.0.get(id).map_or(&[], Holders::as_slice)
    }

    /// All, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<M>> {
        self.0.iter().flat_map(Holders::as_slice)
    }
}

impl<M> Default for Everybody<M> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<M: Member> Holders<M> {
    fn with(self, member: &Arc<M>) -> Self {
        let mut crowd = match self {
            Self::One(first) => Box::new(Crowd(vec![first])),
            Self::Many(crowd) => crowd,
        };
        crowd.0.push(member.clone());
        Self::Many(crowd)
    }

    /// None when nobody is left.
    fn without(self, key: u64) -> Option<Self> {
        match self {
            Self::One(only) => (only.key() != key).then_some(Self::One(only)),
            Self::Many(mut crowd) => {
                if let Some(at) = crowd.0.iter().position(|member| member.key() == key) {
                    crowd.0.swap_remove(at);
                }
                match &crowd.0[..] {
                    [only] => Some(Self::One(only.clone())),
                    _ => Some(Self::Many(crowd)),
                }
            }
        }
    }
}

impl<M> Holders<M> {
    fn as_slice(&self) -> &[Arc<M>] {
        match self {
            Self::One(only) => slice::from_ref(only),
            Self::Many(crowd) => &crowd.0,
        }
    }
}

impl<M: Member> Borrow<str> for Holders<M> {
    fn borrow(&self) -> &str {
        self.as_slice().first().map_or("", |member| member.id())
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
