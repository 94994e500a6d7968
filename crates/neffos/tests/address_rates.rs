//! Handshake rates for each address: an address that floods is refused, and other addresses are not affected.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use neffos::{AddressRate, Conn, Error, Events, Rate, Server, ServerBuilder};
use support::{Running, start, until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Takes the address of a client from the header that a proxy would set.
fn builder() -> ServerBuilder {
    Server::builder().namespace("default", Events::new()).address_header("x-forwarded-for")
}

const SLOW: Rate = Rate::per_second(1).with_burst(3);

const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// Returns the head of the answer to a request of the client at `address`, or an empty text if there is no answer.
async fn ask(running: &Running, method: &str, address: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let request = format!("{method} / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        if within(stream.read_buf(&mut answer)).await.unwrap_or(0) == 0 {
            break;
        }
    }
    String::from_utf8(answer).unwrap().to_lowercase()
}

/// Sends handshakes forever, one after the other.
async fn flood(running: Arc<Running>) {
    loop {
        ask(&running, "GET", "192.0.2.66", &format!("Origin: http://eve\r\n{HANDSHAKE}")).await;
    }
}

async fn handshake(running: &Running, address: &str) -> String {
    ask(running, "GET", address, HANDSHAKE).await
}

fn is_in(answer: &str) -> bool {
    answer.starts_with("http/1.1 101 ")
}

fn is_too_fast(answer: &str) -> bool {
    answer.starts_with("http/1.1 429 ") && answer.contains("retry-after: 1\r\n")
}

#[tokio::test]
async fn an_address_that_floods_handshakes_is_refused_before_anything_is_looked_at_and_another_is_let_in_at_once() {
    let looked = Arc::new(AtomicUsize::new(0));
    let count = [(); 3].map(|()| looked.clone());
    let [ids, origins, decisions] = count;
    let rated = builder()
        .handshake_rate(SLOW)
        .id_generator(move |_request| format!("id-{}", ids.fetch_add(1, Ordering::SeqCst)))
        .allow_origin_if(move |_origin, _request| origins.fetch_add(1, Ordering::SeqCst) < usize::MAX)
        .on_connect(move |_conn: Conn, _request| {
            decisions.fetch_add(1, Ordering::SeqCst);
            async {}
        });
    let running = Arc::new(start(rated).await);
    let flood = tokio::spawn(flood(running.clone()));
    until(|| running.server.rate_limited().handshakes() >= 20).await;
    for network in 0..20 {
        for address in [format!("198.51.100.{network}"), format!("2001:db8:0:{network}::1")] {
            assert!(is_in(&handshake(&running, &address).await), "{address}");
        }
    }
    flood.abort();
    assert!(flood.await.unwrap_err().is_cancelled());
    let before = looked.load(Ordering::SeqCst);
    for same in ["192.0.2.66", "::ffff:192.0.2.66", "64:ff9b::192.0.2.66", "[::ffff:192.0.2.66]:4711"] {
        assert!(running.server.rate_limited().failed_handshakes() == 0);
        let answer = ask(&running, "GET", same, &format!("Origin: http://eve\r\n{HANDSHAKE}")).await;
        // The average rate admits one handshake each second.
        assert!(is_in(&answer) || (is_too_fast(&answer) && looked.load(Ordering::SeqCst) <= before + 3), "{answer}");
    }
}

#[tokio::test]
async fn the_addresses_of_one_ipv6_network_count_together() {
    let running = start(builder().handshake_rate(SLOW)).await;
    for host in 1..=3 {
        assert!(is_in(&handshake(&running, &format!("2001:db8::{host}")).await));
    }
    assert!(is_too_fast(&handshake(&running, "[2001:db8::ffff]:443").await));
    assert!(is_in(&handshake(&running, "2001:db8:0:1::1").await));
}

#[tokio::test]
async fn an_address_whose_handshakes_fail_is_refused_whichever_way_they_fail() {
    let never = |_conn: Conn, _request| async { Err::<(), _>(Error::new("wrong token")) };
    for (way, headers) in [
        ("a foreign origin", format!("Origin: http://eve\r\n{HANDSHAKE}")),
        ("a broken form", "Upgrade: websocket\r\n".to_owned()),
        ("on_connect", HANDSHAKE.to_owned()),
    ] {
        let running = start(builder().failed_handshake_rate(SLOW).on_connect(never)).await;
        let counted = || running.server.rate_limited().failed_handshakes();
        let mut answer = String::new();
        while counted() == 0 {
            answer = ask(&running, "GET", "192.0.2.66", &headers).await;
        }
        assert!(is_too_fast(&answer) && counted() == 1, "{way}: {answer}");
        assert!(is_in(&handshake(&running, "192.0.2.1").await), "{way}");
    }
}

#[tokio::test]
async fn handshakes_that_succeed_and_requests_for_no_websocket_are_no_failures() {
    let running = start(builder().failed_handshake_rate(SLOW).handshake_rate(Rate::per_second(1).with_burst(20))).await;
    for _ in 0..9 {
        assert!(is_in(&handshake(&running, "192.0.2.1").await));
        assert!(ask(&running, "GET", "192.0.2.1", "").await.starts_with("http/1.1 400 "));
        assert!(ask(&running, "HEAD", "192.0.2.1", "").await.starts_with("http/1.1 302 "));
    }
    assert!(is_in(&handshake(&running, "192.0.2.1").await));
    assert_eq!(running.server.rate_limited().failed_handshakes(), 0);
}

#[tokio::test]
async fn an_old_client_that_asks_whether_the_server_is_back_gets_no_answer_until_it_may_dial() {
    let running = start(builder().handshake_rate(Rate::per_second(2).with_burst(1))).await;
    assert!(is_in(&handshake(&running, "192.0.2.1").await));
    assert_eq!(ask(&running, "HEAD", "192.0.2.1", "").await, "");
    assert!(ask(&running, "HEAD", "192.0.2.2", "").await.starts_with("http/1.1 302 "));
    let mut answer = String::new();
    while answer.is_empty() {
        answer = ask(&running, "HEAD", "192.0.2.1", "").await;
    }
    assert!(answer.starts_with("http/1.1 302 "), "{answer}");
    assert!(is_in(&handshake(&running, "192.0.2.1").await));
}

#[tokio::test]
async fn without_a_proxys_header_clients_on_this_machine_have_no_rate_and_by_default_no_client_has() {
    let alone = Server::builder().namespace("default", Events::new());
    for builder in [alone.handshake_rate(SLOW).failed_handshake_rate(SLOW), builder()] {
        let running = start(builder).await;
        for _ in 0..20 {
            assert!(is_in(&handshake(&running, "192.0.2.1").await));
            assert!(ask(&running, "GET", "192.0.2.1", "Upgrade: x\r\n").await.starts_with("http/1.1 400 "));
        }
        assert_eq!(running.server.rate_limited(), neffos::RateLimited::default());
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_can_rate_its_own_requests() {
    let logins = AddressRate::new(Rate::per_second(1).with_burst(2));
    let [eve, ada] = ["192.0.2.66", "192.0.2.1"].map(|address| address.parse().unwrap());
    assert!(logins.count(eve).is_ok() && logins.count(eve).is_ok());
    let wait = logins.count(eve).unwrap_err();
    assert_eq!(logins.wait(eve), wait);
    assert!(logins.wait(ada).is_zero());
    tokio::time::advance(wait).await;
    assert!(logins.wait(eve).is_zero() && logins.count(eve).is_ok());
    let free = AddressRate::new(Rate::default());
    assert!((0..100).all(|_| free.count(eve).is_ok()));
}
