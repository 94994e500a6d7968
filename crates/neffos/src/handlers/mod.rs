//! What an application registers: event handlers with their arguments and results, and hooks.
//!
//! - `events.rs`: the table of handlers.
//! - `handler.rs`: async functions as handlers; `extract.rs`: their arguments; `reply.rs`: their results;
//!   `protobuf.rs`: protobuf as argument and result.
//! - `layer.rs`: functions around all handlers of a namespace.
//! - `stream.rs`: the events of a namespace as a stream.
//! - `hooks.rs`: the hooks of a server.
//! - `application.rs`: all of it, behind the trait that connections call
//!   ([`Application`](crate::connection::Application)).

mod application;
mod events;
mod extract;
mod handler;
mod hooks;
mod layer;
#[cfg(feature = "protobuf")]
mod protobuf;
mod reply;
mod stream;

#[cfg(feature = "client")]
pub(crate) use application::ClientApplication;
pub(crate) use application::{Hooks, ServerApplication};
pub use events::Events;
pub(crate) use events::Namespaces;
pub use extract::{Event, FromEvent, Json, Setup, State};
#[cfg(feature = "testing")]
pub(crate) use handler::BoxedHandler;
pub use handler::Handler;
pub(crate) use hooks::{connect_hook, disconnect_hook};
pub use layer::Next;
#[cfg(feature = "protobuf")]
pub use protobuf::Protobuf;
pub use reply::{IntoDecision, IntoReply, Reply};
pub use stream::EventStream;
