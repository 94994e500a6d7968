//! Tests of the real program: each test starts it on a free port, and talks to it through sockets.
#![expect(clippy::unwrap_used, reason = "what a test relies on may fail it")]

mod admission;
mod api;
mod bench;
mod cluster;
mod configuration;
#[cfg(unix)]
mod documents;
mod internal;
mod journal;
mod keys;
mod memory;
mod operation;
mod page;
mod pressure;
mod proxies;
mod rates;
mod relay;
mod rolling;
mod support;
mod terminal;
mod tls;
