//! Protobuf as an argument and as a result of handlers.

use super::extract::{Event, FromEvent};
use super::reply::{IntoReply, Reply};
use crate::error::Error;
use crate::handles::Side;

/// The body, parsed as protobuf; as a result, a value that is sent as protobuf in a binary frame.
///
/// If the body is not a valid `T`, the sender receives an error that names the field.
///
/// `T` is a type that [prost](https://docs.rs/prost/0.14) derives or generates.
///
/// # Examples
///
/// ```
/// use neffos::{Events, Protobuf};
///
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Numbers {
///     #[prost(sint64, repeated, tag = "1")]
///     each: Vec<i64>,
/// }
///
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Sum {
///     #[prost(sint64, tag = "1")]
///     total: i64,
/// }
///
/// let events: Events = Events::new().on("sum", async |Protobuf(numbers): Protobuf<Numbers>| {
///     Protobuf(Sum { total: numbers.each.iter().sum() })
/// });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart by pattern")]
pub struct Protobuf<T>(pub T);

impl<S: Side, T: prost::Message + Default> FromEvent<S> for Protobuf<T> {
    fn from_event(event: &Event<S>) -> Result<Self, Error> {
        event.message().parse_protobuf().map(Self)
    }
}

impl<T: prost::Message> IntoReply for Protobuf<T> {
    fn into_reply(self) -> Reply {
        Reply::binary(self.0.encode_to_vec())
    }
}
