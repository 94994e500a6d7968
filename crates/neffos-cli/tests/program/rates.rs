//! Rates for each address: of handshakes, and of wrong API keys.

use crate::support::{Answer, Client, KEY, Program, bearer, request};

/// With this flag, clients have the addresses in the header of a proxy.
const BEHIND_A_PROXY: &str = "--address-header=x-forwarded-for";

async fn call(program: &Program, address: &str, key: &str) -> Answer {
    let headers = [("authorization", &*bearer(key)), ("x-forwarded-for", address)];
    request(program.address, "GET", "/api/stats", &headers, "").await
}

async fn count(program: &Program, reason: &str) -> u64 {
    let metrics = program.get("/metrics").await.body;
    let name = format!("neffos_rate_limited_total{{reason=\"{reason}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).expect("it exists from the start").parse().unwrap()
}

#[tokio::test]
async fn an_address_that_guesses_keys_is_refused_even_with_the_right_one_and_another_is_served_at_once() {
    let mut program = Program::start_logged(&[BEHIND_A_PROXY, "--failed-key-rate=1:3"]).await;
    assert_eq!(count(&program, "failed_keys").await, 0);
    let mut wrong = Vec::new();
    // The average rate allows one more each second.
    while wrong.last() != Some(&429) {
        wrong.push(call(&program, "192.0.2.66", "a-key-that-is-wrong").await.status);
    }
    assert!(wrong.len() > 3 && wrong[..wrong.len() - 1].iter().all(|status| *status == 401), "{wrong:?}");
    let refused = call(&program, "192.0.2.66", KEY).await;
    if refused.status == 429 {
        assert_eq!(refused.header("retry-after"), "1");
        assert!(refused.error().contains("too many wrong API keys"), "{}", refused.body);
    }
    assert_eq!(call(&program, "192.0.2.1", KEY).await.status, 200);
    assert!(count(&program, "failed_keys").await >= 1);
    let line = program.logged("too many wrong keys from this address").await;
    assert!(line.contains("address=\"192.0.2.66\" socket=\"127.0.0.1:"), "{line}");
}

#[tokio::test]
async fn an_address_that_floods_handshakes_gets_429_and_another_is_let_in_at_once() {
    let program = Program::start(&[BEHIND_A_PROXY, "--handshake-rate=1:3", "--failed-handshake-rate=1:3"]).await;
    let from = async |address, origin| {
        let headers = [("host", "test"), ("x-forwarded-for", address), ("origin", origin)];
        Client::try_connect(program.address, &headers).await.err().unwrap_or_default()
    };
    for (address, origin, reason) in
        [("192.0.2.66", "http://test", "handshakes"), ("192.0.2.67", "http://eve", "failed_handshakes")]
    {
        assert_eq!(count(&program, reason).await, 0);
        while !from(address, origin).await.contains(" 429 ") {}
        assert_eq!(from("192.0.2.1", "http://test").await, "", "{reason}");
        assert!(count(&program, reason).await >= 1);
    }
}

#[tokio::test]
async fn with_the_defaults_all_clients_of_an_office_come_back_at_once_and_again_after_another_restart() {
    let program = Program::start(&[BEHIND_A_PROXY]).await;
    let office = [("host", "test"), ("x-forwarded-for", "192.0.2.1")];
    for _restart in 0..2 {
        let mut clients = Vec::new();
        for _ in 0..1_000 {
            clients.push(Client::try_connect(program.address, &office).await.unwrap());
        }
        drop(clients);
        // Waits until the places of the address are free again.
        while !program.get("/metrics").await.body.contains("\nneffos_connections 0\n") {}
    }
}
