//! The protocol of one connection, without I/O. Pure: no socket, no clock, no lock, no task.
//!
//! Frames, the ends of handlers, requests of this side and instants come in. [`Action`]s come out. The connection's task
//! carries them out, one after the other.
//!
//! - `state.rs`: [`Session`], and what other tasks ask it.
//! - `incoming.rs`: frames of the peer: the greeting, replies, events. `reading.rs`: when no more of them are read.
//! - `work.rs`: what is done about an event, up to its reply.
//! - `end.rs`: deadlines and the stages of the end. `teardown.rs`: what the handlers are told then.
//! - `change.rs`: a change of membership, step by step. `decide.rs`: what a message may do.
//! - `action.rs`: what comes out. `outcome.rs`: what handlers decided. `limits.rs`: bounds and deadlines.
//! - `ack.rs`: the greeting. `membership.rs`: namespaces and rooms. `asks.rs`: open requests of this side. `inbox.rs`: events
//!   that wait for their turn. `deadlines.rs`: when it gives up waiting. `rates.rs`: how fast the peer may send.

mod ack;
mod action;
mod asks;
mod change;
mod deadlines;
mod decide;
mod end;
mod inbox;
mod incoming;
mod limits;
mod membership;
mod outcome;
mod rates;
mod reading;
mod state;
mod teardown;
#[cfg(test)]
mod tests;
mod work;

pub(crate) use ack::{AckLimits, Frame, Refusal};
pub(crate) use action::{Action, Answer, Dropped, IndexChange};
pub(crate) use asks::{Effect, Pending, new_token};
pub(crate) use change::{ChangeStep, MembershipChange};
pub(crate) use deadlines::{Due, EndLimits};
pub(crate) use decide::check_name;
pub(crate) use inbox::size as event_size;
pub(crate) use limits::{Bounds, ForeignRooms, Rules, SessionLimits};
pub(crate) use membership::{Membership, Memberships};
pub(crate) use outcome::Outcome;
pub(crate) use rates::{RateKind, Rates};
pub(crate) use reading::Reading;
pub(crate) use state::Session;
