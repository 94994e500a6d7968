//! Several servers: the conformance suite over an exchange within the process, in each dialect.

use std::time::Duration;

use futures_util::FutureExt;
use neffos::testing::conformance;
use neffos::{Dialect, Error, Events, MemoryExchange, Message, Server, ServerBuilder};

#[tokio::test]
async fn native_servers_pass_the_conformance_suite() {
    let exchange = MemoryExchange::new();
    conformance(|| exchange.clone()).await;
}

#[tokio::test]
async fn servers_with_signed_messages_pass_it_too() {
    let exchange = MemoryExchange::new();
    conformance(|| exchange.with_dialect(Dialect::native("app").with_key("0123456789abcdef"))).await;
}

#[tokio::test]
async fn servers_with_the_dialect_of_servers_in_go_pass_it_too() {
    for dialect in [Dialect::go_redis("app"), Dialect::go_nats("app").with_key("0123456789abcdef")] {
        let exchange = MemoryExchange::new();
        conformance(|| exchange.with_dialect(dialect.clone())).await;
    }
}

fn refused(builder: ServerBuilder) -> Error {
    builder.namespace("default", Events::new()).build().expect_err("a server that was built all the same")
}

#[tokio::test]
async fn invalid_settings_are_refused_by_name() {
    let exchange = MemoryExchange::new();
    let with = |dialect| Server::builder().exchange(exchange.with_dialect(dialect));
    let builders = [
        (Server::builder().exchange_queue(1, 1, Duration::from_secs(1)), "exchange_queue"),
        (Server::builder().on_exchange(|_| ()), "on_exchange"),
        (with(Dialect::native("app")).exchange_queue(0, 1, Duration::from_secs(1)), "exchange_queue"),
        (with(Dialect::native("no blanks")), "exchange: the prefix"),
        (with(Dialect::native("app").with_key("short")), "exchange: the key"),
    ];
    for (builder, setting) in builders {
        let fault = refused(builder);
        assert!(fault.is_config() && fault.to_string().contains(setting), "{setting}: {fault}");
    }
}

#[test]
fn a_server_with_an_exchange_needs_a_runtime() {
    let fault = refused(Server::builder().exchange(MemoryExchange::new()));
    assert!(fault.is_config() && fault.to_string().contains("tokio runtime"), "{fault}");
}

/// Servers in Go use the same channel for an id and for a namespace of the same name.
#[tokio::test]
async fn a_message_for_an_id_with_the_name_of_its_namespace_is_not_sent_to_servers_in_go() {
    let exchange = MemoryExchange::new().with_dialect(Dialect::go_redis("app"));
    let server = Server::builder().namespace("default", Events::new()).exchange(exchange).build().unwrap();
    let message = Message::new("said", "in private").in_namespace("default");
    server.broadcast(message.clone().to("default"));
    assert_eq!(server.cluster().unwrap().status().refused, 1);
    server.broadcast([message.clone().to("ada"), message.clone()]);
    for id in ["default", "ada"] {
        assert!(server.ask(message.clone().to(id)).now_or_never().is_none(), "no such connection");
    }
    let status = server.cluster().unwrap().status();
    assert_eq!((status.refused, status.queued), (2, 3));
}
