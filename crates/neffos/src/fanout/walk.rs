//! The walk of a batch of broadcasts through its receivers, in short steps.
//!
//! - If all broadcasts of the batch have one audience, a step offers all of them to some members. These are written to
//!   before the next step: their memory is then still in the processor's cache.
//! - Otherwise a step offers one broadcast after the other, and the members are written to at the end. A member of
//!   several audiences then receives all its messages with one write.

use std::ops::Range;
use std::sync::Arc;

use super::Member;
use super::cast::{Cast, Forms};
use super::counters::Tally;
use super::index::Index;

/// A batch of broadcasts, offered to some of its receivers so far.
///
/// Members keep their positions meanwhile, because changes of the membership wait for the end of a walk.
#[derive(Debug)]
pub(super) struct Walk {
    parts: Vec<JoinedCasts>,
    has_one_audience: bool,
    /// The next part, if there are several audiences.
    part: usize,
    /// The number of members passed in it.
    passed: usize,
}

/// Adjacent broadcasts with one audience, joined.
#[derive(Debug)]
struct JoinedCasts {
    lead: Arc<Cast>,
    forms: Forms<Vec<Arc<Cast>>>,
}

/// Whether a walk has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WalkProgress {
    More,
    Over,
}

/// The members that a walk passes, and the results of its offers.
pub(super) struct Surroundings<'a, M> {
    pub(super) index: &'a Index<M>,
    /// The members to write to.
    pub(super) touched: &'a mut Vec<Arc<M>>,
    pub(super) tally: &'a mut Tally,
}

impl Walk {
    /// Returns `None` if there is nothing to deliver.
    pub(super) fn of(batch: &[Arc<Cast>]) -> Option<Self> {
        let lead = batch.first()?;
        // Members with one id have no positions. They are few, and are all served in one step.
        let has_one_audience = lead.audience.id.is_none() && batch.iter().all(|cast| cast.audience == lead.audience);
        let parts = runs(batch).filter_map(JoinedCasts::of).collect();
        Some(Self { parts, has_one_audience, part: 0, passed: 0 })
    }

    /// Returns whether members are written to after each step, rather than after the last.
    pub(super) fn writes_between_steps(&self) -> bool {
        self.has_one_audience
    }

    /// Offers to more members.
    pub(super) fn step<M: Member>(&mut self, around: &mut Surroundings<'_, M>) -> WalkProgress {
        match self.has_one_audience {
            true => self.offer_all_to_some(around),
            false => self.offer_one_after_the_other(around),
        }
    }

    fn offer_all_to_some<M: Member>(&mut self, around: &mut Surroundings<'_, M>) -> WalkProgress {
        let places = self.passed..self.passed + MEMBERS_PER_STEP;
        self.parts.iter_mut().for_each(|part| part.offer_to(places.clone(), around));
        self.passed = places.end;
        let is_over = self.parts.first().is_none_or(|part| part.size(around.index) <= self.passed);
        if is_over { WalkProgress::Over } else { WalkProgress::More }
    }

    fn offer_one_after_the_other<M: Member>(&mut self, around: &mut Surroundings<'_, M>) -> WalkProgress {
        let mut left = OFFERS_PER_STEP;
        while let Some(part) = self.parts.get_mut(self.part) {
            if left == 0 {
                return WalkProgress::More;
            }
            let size = part.size(around.index);
            let end = size.min(self.passed + left);
            part.offer_to(self.passed..end, around);
            // A part without receivers takes time too.
            left = left.saturating_sub((end - self.passed).max(1));
            (self.part, self.passed) = if end == size { (self.part + 1, 0) } else { (self.part, end) };
        }
        WalkProgress::Over
    }
}

impl JoinedCasts {
    fn of(run: &[Arc<Cast>]) -> Option<Self> {
        Some(Self { lead: run.first()?.clone(), forms: Forms::of(run.to_vec())? })
    }

    /// Returns the number of positions of its audience; zero for the members with an id.
    fn size<M: Member>(&self, index: &Index<M>) -> usize {
        let audience = &self.lead.audience;
        if audience.id.is_some() { 0 } else { index.count(&audience.namespace, audience.room.as_deref()) }
    }

    /// Offers to the members at these positions, or to all members with an id.
    fn offer_to<M: Member>(&mut self, places: Range<usize>, around: &mut Surroundings<'_, M>) {
        let audience = &self.lead.audience;
        let offer = self.forms.offering(around.touched, around.tally);
        match &audience.id {
            Some(_) => around.index.for_each_member(audience, offer),
            None => around.index.for_some_members(audience, places, offer),
        }
    }
}

/// Returns the runs of adjacent broadcasts with one audience, in order.
fn runs(batch: &[Arc<Cast>]) -> impl Iterator<Item = &[Arc<Cast>]> {
    batch.chunk_by(|left, right| may_join(left, right)).flat_map(|run| run.chunks(MAX_JOINED))
}

fn may_join(left: &Cast, right: &Cast) -> bool {
    left.private.is_none()
        && right.private.is_none()
        && left.chunk.len() + right.chunk.len() <= MAX_JOINED_BYTES
        && left.audience == right.audience
}

/// How many broadcasts one chunk may join, and how large each may be. Beyond that, the copy costs more than it saves.
const MAX_JOINED: usize = 64;
const MAX_JOINED_BYTES: usize = 4 * 1024;
/// How many members a step serves if all broadcasts have one audience.
const MEMBERS_PER_STEP: usize = 64;
/// How many offers a step makes if there are several audiences.
const OFFERS_PER_STEP: usize = 1_024;
