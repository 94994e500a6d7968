//! A client that uses a proxy asks it for a tunnel, sends its credentials to it, and reports why the proxy refuses.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use neffos::{Client, ClientBuilder, Error, Events, Message, Reply, Server};
use support::theirs::Theirs;
use support::{start, within};
use tokio::net::TcpStream;

/// A name that only a proxy can resolve: the client does not look it up.
const ELSEWHERE: &str = "ws://chat.invalid/ws";

fn builder(url: &str) -> ClientBuilder {
    Client::builder(url).namespace("default", Events::new())
}

async fn server() -> SocketAddr {
    let events = Events::new().on("echo", async |message: Message| Reply::new(message.body().clone()));
    start(Server::builder().namespace("default", events)).await.address
}

/// A proxy that tunnels its next client to `target`. Returns that client's request.
async fn tunnel(proxy: &Theirs, target: SocketAddr) -> String {
    let mut visitor = proxy.request().await;
    visitor.write("HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n").await;
    let mut there = TcpStream::connect(target).await.unwrap();
    let head = visitor.head.clone();
    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut visitor.stream, &mut there).await });
    head
}

/// Returns the error of a dial whose request for a tunnel gets this answer.
async fn answered(answer: &str) -> Error {
    let proxy = Theirs::bind().await;
    let dialling = builder(ELSEWHERE).proxy(&proxy.url().replace("ws:", "http:"));
    let script = async {
        let mut visitor = proxy.request().await;
        visitor.write(answer).await;
        visitor
    };
    let (dialled, _visitor) = tokio::join!(within(dialling.dial_timeout(Duration::from_secs(1)).dial()), script);
    dialled.unwrap_err()
}

#[tokio::test]
async fn a_tunnel_leads_to_the_server() {
    let (proxy, target) = (Theirs::bind().await, server().await);
    let dialling = builder(ELSEWHERE).proxy(&proxy.url().replace("ws:", "http:"));
    let (client, head) = tokio::join!(within(dialling.dial()), tunnel(&proxy, target));
    assert!(head.starts_with("CONNECT chat.invalid:80 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("host: chat.invalid:80\r\n") && !head.contains("proxy-authorization"), "{head}");
    let ns = within(client.unwrap().connect("default")).await;
    drop(ns.unwrap());
}

#[tokio::test]
async fn credentials_are_for_the_proxy_alone() {
    let proxy = Theirs::bind().await;
    let target = Theirs::bind().await;
    let address = proxy.url().replace("ws://", "http://ada:s%20cret@");
    let dialling = builder(&target.url()).proxy(&address).header("authorization", "Bearer mine");
    let script = async {
        let address = target.url().trim_start_matches("ws://").trim_end_matches('/').parse().unwrap();
        let head = tunnel(&proxy, address).await;
        let mut guest = target.open().await;
        guest.expect_hello().await;
        guest.wire.send("A1").await;
        (head, guest)
    };
    let (client, (head, guest)) = tokio::join!(within(dialling.dial()), script);
    client.unwrap();
    // `ada:s cret` in base64.
    assert!(head.contains("proxy-authorization: Basic YWRhOnMgY3JldA==\r\n"), "{head}");
    assert!(!head.contains("Bearer"), "{head}");
    assert!(guest.headers.get("proxy-authorization").is_none());
    assert_eq!(guest.headers["authorization"], "Bearer mine");
}

#[tokio::test]
async fn the_error_has_the_answer_of_a_proxy_that_refuses() {
    for (answer, told) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "the proxy answered 407"),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "the proxy answered 403 Forbidden"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "the proxy answered 502"),
        ("HTTP/1.1 200 OK\r\n\r\nwelcome", "the proxy spoke before"),
        ("SSH-2.0-OpenSSH\r\n\r\n", ""),
    ] {
        let err = answered(answer).await;
        assert!(err.is_unreachable() && err.to_string().contains(told), "{answer}: {err}");
    }
    assert!(answered("HTTP/1.1 200 OK\r\n").await.is_timeout());
    // The tunnel is open, but no server answers at its other end.
    assert!(answered("HTTP/1.1 200 OK\r\n\r\n").await.is_timeout());
    let free = Theirs::bind().await.url().replace("ws:", "http:");
    assert!(within(builder(ELSEWHERE).proxy(&free).dial()).await.unwrap_err().is_unreachable());
}

#[tokio::test]
async fn only_http_proxies_can_be_used() {
    for url in ["socks5://127.0.0.1:1", "https://127.0.0.1:1", "", "http://", "not a url"] {
        let err = builder("ws://127.0.0.1:1").proxy(url).dial().await.unwrap_err();
        assert!(err.is_config() && err.to_string().contains("proxy"), "{url}: {err}");
    }
}

#[tokio::test]
async fn the_environment_names_the_proxy() {
    let (proxy, target) = (Theirs::bind().await, server().await);
    for (variable, exempt, is_asked) in
        [("HTTP_PROXY", "", true), ("ALL_PROXY", "", true), ("HTTP_PROXY", "invalid", false)]
    {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
            child.env_remove(name);
        }
        child.env(variable, proxy.url().replace("ws:", "http:")).env("NO_PROXY", exempt);
        child.args(["--exact", "dials_as_the_environment_says", "--ignored"]);
        let child = tokio::task::spawn_blocking(move || child.output().unwrap());
        let tunnelling = async {
            tunnel(&proxy, target).await;
            std::future::pending::<()>().await;
        };
        let output = tokio::select! {
            output = within(child) => output.unwrap(),
            () = tunnelling => unreachable!("the tunnel never ends"),
        };
        assert_eq!(output.status.success(), is_asked, "{variable} {exempt}: {output:?}");
    }
}

#[tokio::test]
#[ignore = "needs a separate process: see above"]
async fn dials_as_the_environment_says() {
    within(builder(ELSEWHERE).dial()).await.unwrap();
}
