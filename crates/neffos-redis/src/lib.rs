#![doc = include_str!("../README.md")]

mod address;
mod dial;
mod ears;
mod end;
mod exchange;
mod link;
mod names;
mod shard;
mod shards;
mod slots;
mod whereabouts;

pub use exchange::RedisExchange;
pub use link::RedisLink;
