//! The members of a namespace or room: an array to walk over, with lookup by key in constant time.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use indexmap::{Equivalent, IndexSet};

use super::Member;

pub(super) type Group<M> = IndexSet<ByKey<M>, BuildHasherDefault<KeyHasher>>;

/// A member, compared and hashed by its key.
#[derive(Debug)]
pub(super) struct ByKey<M>(pub(super) Arc<M>);

/// Frees memory when a group has become much smaller.
pub(super) fn release<M: Member>(group: &mut Group<M>) {
    if group.capacity() > 64 && group.len() * 4 < group.capacity() {
        group.shrink_to(group.len() * 2);
    }
}

/// Frees memory when the map of groups has become much smaller.
pub(super) fn release_map<M>(groups: &mut HashMap<Arc<str>, Group<M>>) {
    if groups.capacity() > 64 && groups.len() * 4 < groups.capacity() {
        groups.shrink_to(groups.len() * 2);
    }
}

impl<M: Member> Hash for ByKey<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}

impl<M: Member> PartialEq for ByKey<M> {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl<M: Member> Eq for ByKey<M> {}

impl<M: Member> Equivalent<ByKey<M>> for u64 {
    fn equivalent(&self, member: &ByKey<M>) -> bool {
        *self == member.0.key()
    }
}

/// Hashes keys by one multiplication. Keys come from a counter of this process, so no peer can choose them.
#[derive(Debug, Default)]
pub(super) struct KeyHasher(u64);

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
