//! Broadcasts on their way through their audience: some members at a time, who are written to before the next are looked at.
//!
//! What a member takes to be looked at has then not left the processor's cache when it is written to.

use std::sync::Arc;

use super::Member;
use super::cast::{Cast, Forms};
use super::counters::Tally;
use super::index::Index;

/// Broadcasts with one audience that have come to some of its members.
///
/// Members keep their places meanwhile: whoever changes a membership takes a walk to its end first.
#[derive(Debug)]
pub(super) struct Walk {
    lead: Arc<Cast>,
    parts: Vec<Forms<Vec<Arc<Cast>>>>,
    /// How many members it has passed.
    passed: usize,
}

impl Walk {
    /// None when `batch` is for several audiences: a member of more than one of them gets all of it with one write. And when
    /// it is for the holders of an id, who are few.
    pub(super) fn of(batch: &[Arc<Cast>]) -> Option<Self> {
        let (lead, others) = batch.split_first()?;
        if lead.audience.id.is_some() || others.iter().any(|cast| cast.audience != lead.audience) {
            return None;
        }
        let parts = runs(batch).filter_map(|run| Forms::of(run.to_vec())).collect();
        Some(Self { lead: lead.clone(), parts, passed: 0 })
    }

    /// Offers to so many more members, and adds those to write to to `touched`; false when there are no more.
    pub(super) fn go_on<M: Member>(
        &mut self,
        index: &Index<M>,
        most: usize,
        touched: &mut Vec<Arc<M>>,
        tally: &mut Tally,
    ) -> bool {
        let audience = &self.lead.audience;
        let places = self.passed..self.passed.saturating_add(most);
        for forms in &mut self.parts {
            index.for_some_members(audience, places.clone(), forms.offering(touched, tally));
        }
        self.passed = places.end;
        self.passed < index.count(&audience.namespace, audience.room.as_deref())
    }
}

/// The broadcasts of `batch` that go together, in their order: neighbours with one audience.
pub(super) fn runs(batch: &[Arc<Cast>]) -> impl Iterator<Item = &[Arc<Cast>]> {
    batch.chunk_by(|left, right| may_join(left, right)).flat_map(|run| run.chunks(MAX_JOINED))
}

fn may_join(left: &Cast, right: &Cast) -> bool {
    left.private.is_none()
        && right.private.is_none()
        && left.chunk.len() + right.chunk.len() <= MAX_JOINED_BYTES
        && left.audience == right.audience
}

/// How many broadcasts one chunk may join, and up to which size of each: past that, copying costs more than it saves.
const MAX_JOINED: usize = 64;
const MAX_JOINED_BYTES: usize = 4 * 1024;
