//! Servers of [neffos](neffos) reach each other's connections over [NATS](https://nats.io).

mod address;
mod dial;
mod driver;
mod exchange;
mod key;
mod link;
mod login;
mod tls;
mod wire;

pub use exchange::NatsExchange;
pub use link::NatsLink;
