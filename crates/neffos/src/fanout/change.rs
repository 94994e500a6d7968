//! One change of a connection's membership, with the reply that confirms it.

use std::sync::Arc;

use bytes::Bytes;

use super::index::Index;
use super::{Audience, Member};

/// The namespaces that a connection is in, with their rooms.
pub(super) type Places = Vec<(Arc<str>, Vec<Arc<str>>)>;

/// A change of the membership of `member`.
#[derive(Debug)]
pub(super) struct IndexUpdate<M> {
    pub(super) member: Arc<M>,
    pub(super) kind: IndexUpdateKind,
    /// The reply, queued for the member in the same step. So no later broadcast overtakes it, and none is missed.
    pub(super) reply: Option<Bytes>,
}

#[derive(Debug)]
pub(super) enum IndexUpdateKind {
    Connect(Arc<str>),
    /// The namespace, and all rooms in it that the member has joined.
    Disconnect(Arc<str>, Vec<Arc<str>>),
    Join(Arc<str>, Arc<str>),
    Leave(Arc<str>, Arc<str>),
    /// The connection has ended.
    Remove(Places),
}

/// The effects of a change.
#[derive(Debug)]
pub(super) struct Applied<M> {
    /// The member whose reply was queued, and must be written.
    pub(super) write_to: Option<Arc<M>>,
    /// Whether a connection was removed.
    pub(super) removed: bool,
}

impl<M: Member> IndexUpdate<M> {
    pub(super) fn apply(self, index: &mut Index<M>) -> Applied<M> {
        let Self { member, kind, reply } = self;
        let key = member.key();
        let mut removed = false;
        match &kind {
            IndexUpdateKind::Connect(namespace) => index.connect(&member, namespace),
            IndexUpdateKind::Disconnect(namespace, rooms) => index.disconnect(key, namespace, rooms),
            IndexUpdateKind::Join(namespace, room) => index.join(&member, namespace, room),
            IndexUpdateKind::Leave(namespace, room) => index.leave(key, namespace, room),
            IndexUpdateKind::Remove(memberships) => {
                for (namespace, rooms) in memberships {
                    index.disconnect(key, namespace, rooms);
                }
                removed = index.remove(&member);
            }
        }
        let write_is_due = reply.is_some_and(|reply| member.offer_reply(reply));
        Applied { write_to: write_is_due.then_some(member), removed }
    }
}

impl<M> IndexUpdate<M> {
    /// Returns whether a broadcast to `audience` may have different receivers before and after this change.
    pub(super) fn affects(&self, audience: &Audience) -> bool {
        let is = |namespace: &str| audience.namespace == *namespace;
        match &self.kind {
            IndexUpdateKind::Connect(namespace) | IndexUpdateKind::Disconnect(namespace, _) => is(namespace),
            IndexUpdateKind::Join(namespace, room) | IndexUpdateKind::Leave(namespace, room) => {
                is(namespace) && audience.room.as_deref() == Some(&**room)
            }
            IndexUpdateKind::Remove(memberships) => memberships.iter().any(|(namespace, _)| is(namespace)),
        }
    }
}
