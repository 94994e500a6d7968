//! Admission: ids, addresses, origins, hosts and subprotocols.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Client, Program, answer, run_to_end};

#[tokio::test]
async fn ids_come_from_the_header_that_is_named_and_never_from_the_url() {
    let program = Program::start(&["--id-header", "X-User"]).await;
    let named = async |name| Client::try_connect(program.address, &[("host", "test"), ("x-user", name)]).await;
    assert_eq!(named("ada").await.unwrap().id, "ada");
    assert_eq!(named("Zoë").await.unwrap().id, "Zoë");
    assert!(named("a\tb").await.err().unwrap().contains(" 400 "));
    let (one, other) = (program.client().await, program.client().await);
    assert_eq!(one.id.len(), 36);
    assert_ne!(one.id, other.id);
    let eve = Client::connect(program.address, "/ws?X-Websocket-Header-X-User=admin").await;
    assert_eq!(eve.id.len(), 36);
}

#[tokio::test]
async fn a_client_that_the_proxy_does_not_name_counts_under_its_socket_and_that_is_logged_once() {
    let flags = ["--address-header", "x-forwarded-for", "--trusted-hops", "2", "--max-connections-per-address", "1"];
    let mut program = Program::start_logged(&flags).await;
    let address = program.address;
    let from = async |entries| Client::try_connect(address, &[("host", "test"), ("x-forwarded-for", entries)]).await;
    let _one = from("203.0.113.1, 192.0.2.1:4711, 10.0.0.1").await.unwrap();
    let _other = from("[2001:db8::1]:80, 10.0.0.1").await.unwrap();
    assert!(from("192.0.2.1, 10.0.0.1").await.err().unwrap().contains(" 503 "));
    let _unnamed = from("192.0.2.2").await.unwrap();
    assert!(from("unknown, 10.0.0.1").await.err().unwrap().contains(" 503 "));
    let line = program.logged("address_header names no client").await;
    assert!(line.contains("trusted_hops") && line.contains("127.0.0.1"), "{line}");
    program.signal("TERM").await;
    let rest = program.logged_until("draining").await;
    assert!(!rest.iter().any(|line| line.contains("address_header")), "{rest:?}");
}

#[tokio::test]
async fn the_first_refused_origin_is_logged_with_the_setting_that_allows_it_and_a_flood_of_them_is_one_line() {
    let mut program = Program::start_logged(&[]).await;
    let hostile = format!("https://evil.example/\"\x1b[31m{}", "x".repeat(5_000));
    for origin in ["https://app.example", &hostile, "https://other.example"] {
        let refused = Client::try_connect(program.address, &[("host", "test"), ("origin", origin)]).await;
        assert!(refused.is_err(), "{origin}");
    }
    let line = program.logged("refused a page of another origin").await;
    for part in ["WARN", "https://app.example", "http://test", "allow_origin", "scheme_header"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    program.signal("TERM").await;
    let rest = program.logged_until("draining").await;
    assert!(!rest.iter().any(|line| line.contains("origin")), "{rest:?}");
}

#[tokio::test]
async fn a_refused_origin_is_bounded_and_escaped_in_the_log() {
    let mut program = Program::start_logged(&[]).await;
    let hostile = format!("https://evil.example/\" forged=\"{}", "x".repeat(5_000));
    assert!(Client::try_connect(program.address, &[("host", "test"), ("origin", &hostile)]).await.is_err());
    let line = program.logged("refused a page of another origin").await;
    assert!(line.contains(r#"https://evil.example/\" forged=\"x"#) && line.len() < 600, "{line}");
}

#[tokio::test]
async fn the_proxys_scheme_the_hosts_and_the_subprotocols_of_the_settings_count() {
    let flags =
        ["--scheme-header=x-forwarded-proto", "--allow-host=app.example,localhost", "--subprotocol=chat.v2,chat.v1"];
    let program = Program::start(&flags).await;
    let connect = |headers| Client::try_connect(program.address, headers);
    let page = [("host", "app.example"), ("origin", "https://app.example"), ("x-forwarded-proto", "https")];
    connect(&page).await.unwrap();
    assert!(connect(&page[..2]).await.err().unwrap().contains(" 403 "));
    let rebound = [("host", "evil.example"), ("origin", "http://evil.example")];
    assert!(connect(&rebound).await.err().unwrap().contains(" 421 "));
    let url = format!("ws://localhost:{}/ws", program.address.port());
    let client = neffos::Client::builder(&url).namespace("default", neffos::Events::new());
    client.subprotocol("chat.v1").dial().await.unwrap().connect("default").await.unwrap();
}

#[tokio::test]
async fn a_page_with_a_rebound_name_reads_nothing_and_probes_are_answered_by_any_name() {
    let mut program = Program::start(&["--allow-host=app.example", "--internal-addr=127.0.0.1:0"]).await;
    let internal = program.internal().await;
    let get = async |address, path, host: &str| {
        let headers = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(headers.as_bytes()).await.unwrap();
        answer(stream).await.status
    };
    let public = program.address;
    for path in ["/", "/page.js", "/neffos.js", "/api/live", "/api/stalled", "/nowhere"] {
        assert_eq!(get(public, path, "evil.example:8080").await, 421, "{path}");
        assert_eq!(get(public, path, "127.0.0.1.evil.example").await, 421, "{path}");
        // An IP address cannot be rebound, so it is let in.
        assert_eq!(get(public, path, "127.0.0.1:8080").await, get(public, path, "app.example").await, "{path}");
    }
    assert_eq!(
        (get(public, "/api/live", "app.example").await, get(public, "/nowhere", "app.example").await),
        (200, 404)
    );
    for path in ["/metrics", "/api/stats"] {
        assert_eq!(get(internal, path, "evil.example").await, 421, "{path}");
    }
    assert_eq!(
        (get(internal, "/metrics", "10.0.0.1:9090").await, get(internal, "/metrics", "app.example").await),
        (200, 200)
    );
    for path in ["/healthz", "/readyz", "/readyz/alone"] {
        assert_eq!(get(public, path, "balancer").await, 200, "{path}");
    }
}

#[tokio::test]
async fn invalid_settings_of_admission_fail_at_the_start_and_are_named() {
    for (flag, key) in [
        ("--allow-origin=https://u@x", "allow_origin \"https://u@x\""),
        ("--allow-origin=https://a.*.x", "allow_origin \"https://a.*.x\""),
        ("--allow-host=http://x", "allow_host \"http://x\""),
        ("--subprotocol=a b", "subprotocol \"a b\""),
        ("--trusted-hops=2", "trusted_hops"),
        ("--trusted-hops=0", "--trusted-hops"),
        ("--scheme-header=a b", "--scheme-header"),
    ] {
        let ended = run_to_end(&["serve", "--addr", "127.0.0.1:0", flag], &[]).await;
        assert_eq!(ended.code, Some(2), "{flag}: {ended:?}");
        assert!(ended.errors.contains(key), "{flag}: {ended:?}");
    }
}
