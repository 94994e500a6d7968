//! The protocol of one connection, without I/O. Pure: no socket, no clock, no lock, no task.
//!
//! Frames, the results of handlers, requests of this side and instants come in. [`Action`]s come out. The connection's
//! task performs them one after the other.
//!
//! - `state.rs`: [`Session`], and the methods for other tasks.
//! - `incoming.rs`: frames of the peer: the greeting, replies, events. `reading.rs`: backpressure.
//! - `work.rs`: the work for an event, up to its reply. `end.rs`: deadlines and the stages of the end. `teardown.rs`:
//!   the events at the end.
//! - `change.rs`: a change of membership in steps. `decide.rs`: decisions about messages.
//! - `action.rs`: the output. `outcome.rs`: results of handlers. `limits.rs`: limits and deadlines.
//! - `greeting.rs`: the greeting. `membership.rs`: namespaces and rooms. `asks.rs`: open requests of this side.
//!   `inbox.rs`: the queue of events. `deadlines.rs`: deadlines. `rates.rs`: rates of the peer's input.
//! - `fuzzing.rs`: the properties of a session. `model.rs`: the model that they are compared with. `acts.rs`: random
//!   input.

mod action;
#[cfg(any(test, fuzzing))]
mod acts;
mod asks;
mod change;
mod deadlines;
mod decide;
mod end;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod greeting;
mod inbox;
mod incoming;
mod limits;
mod membership;
#[cfg(any(test, fuzzing))]
mod model;
mod outcome;
mod rates;
mod reading;
mod state;
mod teardown;
#[cfg(test)]
mod tests;
mod work;

pub(crate) use action::{Action, Dropped, IndexChange, ReplyAndClose};
pub(crate) use asks::{Effect, OpenAsk, new_token};
pub(crate) use change::{ChangeStep, MembershipChange};
pub(crate) use deadlines::{Due, EndLimits};
pub(crate) use decide::check_name;
pub(crate) use greeting::{GreetingLimits, RawMessage, Refusal};
pub(crate) use inbox::size as event_size;
pub(crate) use limits::{Bounds, ForeignRooms, Rules, SessionLimits};
pub(crate) use membership::{Membership, Memberships};
pub(crate) use outcome::Outcome;
pub(crate) use rates::{RateKind, Rates};
pub(crate) use reading::Reading;
pub(crate) use state::Session;
pub(crate) use work::{AfterHandler, respond};
