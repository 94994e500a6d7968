//! A server works with any runtime: connections on several runtimes, in sequence or concurrently, and callers outside
//! of a runtime.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use neffos::{Events, Message, Server};
use support::{Client, Running};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

const RECEIVERS: usize = 80;
const MESSAGES: usize = 50;

fn server() -> Server {
    Server::builder().namespace("default", Events::new()).shards(1).build().unwrap()
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Serves `server` on `runtime`, and connects `RECEIVERS` receivers.
fn receivers(server: &Server, runtime: &Runtime) -> Vec<Client<TcpStream>> {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let running = Running { server: server.clone(), address: listener.local_addr().unwrap() };
        tokio::spawn(neffos::serve(listener, server.clone()));
        let mut receivers = Vec::new();
        for _ in 0..RECEIVERS {
            receivers.push(running.enter().await);
        }
        receivers
    })
}

fn broadcast(server: &Server) {
    for nth in 0..MESSAGES {
        server.broadcast(Message::new("n", nth.to_string()).in_namespace("default"));
    }
}

fn expect_all(runtime: &Runtime, receivers: &mut [Client<TcpStream>]) {
    runtime.block_on(async {
        for receiver in receivers {
            for nth in 0..MESSAGES {
                assert_eq!(receiver.event("n").await, nth.to_string());
            }
        }
    });
}

#[test]
fn a_server_outlives_the_runtime_of_its_first_connections() {
    let server = server();
    let first = runtime();
    let mut receivers_of_first = receivers(&server, &first);
    broadcast(&server);
    expect_all(&first, &mut receivers_of_first);
    drop(receivers_of_first);
    drop(first);

    let second = runtime();
    let mut receivers = receivers(&server, &second);
    broadcast(&server);
    expect_all(&second, &mut receivers);
    assert_eq!(server.counters().dropped(), 0);
}

#[test]
fn receivers_on_two_runtimes_get_the_same_and_the_remaining_ones_still_do() {
    let server = server();
    let (first, second) = (runtime(), runtime());
    let mut receivers_of_first = receivers(&server, &first);
    let mut receivers_of_second = receivers(&server, &second);
    broadcast(&server);
    expect_all(&first, &mut receivers_of_first);
    expect_all(&second, &mut receivers_of_second);

    // The dispatcher ran on the second runtime, which has the latest connection. That runtime ends while a burst is
    // pending.
    broadcast(&server);
    drop(second);
    broadcast(&server);
    expect_all(&first, &mut receivers_of_first);
    expect_all(&first, &mut receivers_of_first);
}

#[test]
fn a_broadcast_from_a_runtime_that_ends_at_once_arrives() {
    let server = server();
    let runtime = runtime();
    let mut receivers = receivers(&server, &runtime);
    let caller = server.clone();
    std::thread::spawn(move || {
        let short = Builder::new_current_thread().build().unwrap();
        short.block_on(async { broadcast(&caller) });
    })
    .join()
    .unwrap();
    expect_all(&runtime, &mut receivers);
}
