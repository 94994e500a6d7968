//! Builds the websocket server from the settings.

use std::time::Duration;

use neffos::{Limits, Overflow, Server, ServerBuilder};

use crate::api::MAX_ASK_TIMEOUT;
use crate::config::{Origin, OverflowPolicy, Period, Settings};
use crate::failure::Failure;
use crate::{cluster, metrics, watch};

/// Builds the server. Must be called inside a runtime, in which the server joins the cluster.
pub(crate) fn build(settings: &Settings) -> Result<Server, Failure> {
    let builder = Server::builder().on_upgrade_error(metrics::count_upgrade_error).limits(limits(settings));
    let builder = with_namespaces(watch::connections(builder), settings);
    let builder = with_doors(builder, settings);
    let builder = with_outbox(builder, settings);
    let builder = with_deadlines(builder, settings);
    cluster::with_exchange(builder, settings)?.build().map_err(Failure::config)
}

/// Returns the limits of each connection.
fn limits(settings: &Settings) -> Limits {
    let limits = Limits::default().ask_timeout(MAX_ASK_TIMEOUT);
    let limits = with(limits, settings.max_message, Limits::max_message);
    let outbox = settings.outbox_messages.zip(settings.outbox_bytes);
    let limits = with(limits, outbox, |limits, (messages, bytes)| limits.outbox(messages.get(), bytes.get()));
    with_periods(
        limits,
        &[
            (settings.slow_consumer_timeout, Limits::slow_consumer_timeout),
            (settings.message_timeout, Limits::message_timeout),
            (settings.ping_interval, Limits::ping_interval),
            (settings.pong_timeout, Limits::pong_timeout),
        ],
    )
}

fn with_namespaces(builder: ServerBuilder, settings: &Settings) -> ServerBuilder {
    let namespaces = settings.namespaces.iter().flatten();
    namespaces.fold(builder, |builder, (name, rules)| builder.namespace(name, rules.handlers()))
}

/// Sets the rules for admission and ids.
fn with_doors(builder: ServerBuilder, settings: &Settings) -> ServerBuilder {
    let origins = settings.allow_origin.iter().flatten();
    let builder = origins.fold(builder, |builder, origin| match origin {
        Origin::Any => builder.allow_any_origin(),
        Origin::One(origin) => builder.allow_origin(origin),
    });
    let builder = with(builder, settings.id_header.as_ref(), |builder, name| builder.id_header(name.as_str()));
    let builder = with_proxy(builder, settings);
    let hosts = settings.allow_host.iter().flatten();
    let builder = hosts.fold(builder, |builder, host| builder.allow_host(host));
    let subprotocols = settings.subprotocol.iter().flatten();
    let builder = subprotocols.fold(builder, |builder, name| builder.subprotocol(name));
    let builder = with(builder, settings.max_connections, ServerBuilder::max_connections);
    with(builder, settings.max_connections_per_address, ServerBuilder::max_connections_per_address)
}

/// Sets the headers of the proxy in front that the server trusts.
fn with_proxy(builder: ServerBuilder, settings: &Settings) -> ServerBuilder {
    let address_header = settings.address_header.as_ref();
    let builder = with(builder, address_header, |builder, name| builder.address_header(name.as_str()));
    let scheme_header = settings.scheme_header.as_ref();
    let builder = with(builder, scheme_header, |builder, name| builder.scheme_header(name.as_str()));
    with(builder, settings.trusted_hops, |builder, count| builder.trusted_hops(count.get()))
}

/// Sets the rates of input, and the limits of queues.
fn with_outbox(builder: ServerBuilder, settings: &Settings) -> ServerBuilder {
    let builder = with(builder, settings.overflow, |builder, policy| builder.overflow(overflow(policy)));
    let builder = with(builder, settings.send_buffer_bytes, ServerBuilder::send_buffer_bytes);
    let builder = with(builder, settings.memory_budget, ServerBuilder::memory_budget);
    let builder = with(builder, settings.message_rate, |builder, rate| builder.message_rate(rate.rate()));
    let builder = with(builder, settings.byte_rate, |builder, rate| builder.byte_rate(rate.rate()));
    let builder = with(builder, settings.join_rate, |builder, rate| builder.join_rate(rate.rate()));
    let builder = with(builder, settings.handshake_rate, |builder, rate| builder.handshake_rate(rate.rate()));
    let builder =
        with(builder, settings.failed_handshake_rate, |builder, rate| builder.failed_handshake_rate(rate.rate()));
    let builder = with(builder, settings.ordered, ServerBuilder::ordered_broadcast);
    with(builder, settings.shards, |builder, count| builder.shards(count.get()))
}

fn with_deadlines(builder: ServerBuilder, settings: &Settings) -> ServerBuilder {
    with_periods(
        builder,
        &[
            (settings.handshake_timeout, ServerBuilder::handshake_timeout),
            (settings.response_timeout, ServerBuilder::response_timeout),
            (settings.keep_alive_timeout, ServerBuilder::keep_alive_timeout),
            (settings.drain_window, ServerBuilder::drain_window),
            (settings.shutdown_timeout, ServerBuilder::shutdown_timeout),
        ],
    )
}

/// An optional period, and the method that sets it.
type PeriodSetter<B> = (Option<Period>, fn(B, Duration) -> B);

fn with_periods<B>(builder: B, periods: &[PeriodSetter<B>]) -> B {
    periods.iter().fold(builder, |builder, (period, set)| {
        with(builder, *period, |builder, period| set(builder, period.duration()))
    })
}

/// Sets `value`, if present, on a builder of a server or of its limits.
fn with<B, T>(builder: B, value: Option<T>, set: impl FnOnce(B, T) -> B) -> B {
    match value {
        Some(value) => set(builder, value),
        None => builder,
    }
}

fn overflow(policy: OverflowPolicy) -> Overflow {
    match policy {
        OverflowPolicy::DropNewest => Overflow::DropNewest,
        OverflowPolicy::DropOldest => Overflow::DropOldest,
        OverflowPolicy::Disconnect => Overflow::Disconnect,
    }
}
