//! The examples do what they say. They are built with the tests (`cargo test`), or by `cargo build --examples`.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

#[cfg(feature = "axum")]
use support::exchange;
use support::{Client, reserve, within};
use tokio::net::{TcpSocket, TcpStream};

/// A running example. Dropping this ends the process.
struct Example {
    process: Child,
    address: SocketAddr,
    _port: TcpSocket,
}

impl Example {
    async fn start(name: &str) -> Self {
        let (port, address) = reserve();
        let program = program(name);
        let process = Command::new(&program).arg(address.to_string()).spawn();
        let process =
            process.unwrap_or_else(|err| panic!("{}: {err}; `cargo build --examples` makes it", program.display()));
        let example = Self { process, address, _port: port };
        within(example.accepting()).await;
        example
    }

    async fn accepting(&self) {
        while TcpStream::connect(self.address).await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    async fn dial(&self, path: &str) -> Client<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://{}{path}", self.address);
        Client::from_socket(within(tokio_tungstenite::client_async(url, stream)).await.unwrap().0)
    }

    async fn enter(&self, path: &str) -> Client<TcpStream> {
        let mut client = self.dial(path).await;
        client.greet().await;
        client.connect("default").await;
        client
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Returns the path of an example: its folder is beside that of this program.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.ancestors().nth(2).unwrap().join("examples").join(name)
}

#[tokio::test]
async fn echo_answers_an_ask_with_its_body() {
    let example = Example::start("echo").await;
    assert_eq!(example.enter("/").await.ask("echo", "hello").await, "hello");
}

#[tokio::test]
async fn chat_relays_messages() {
    let example = Example::start("chat").await;
    let mut one = example.enter("/").await;
    // A reply shows that the handlers of the connect have ended. So `two`, which connects later, does not receive the
    // notice about `one`.
    assert_eq!(one.ask("chat", r#"{"from":"one","text":" "}"#).await, "say something");
    let mut two = example.enter("/").await;
    assert!(one.event("notice").await.ends_with(" is here"));
    two.emit("chat", r#"{"from":"two","text":"hello"}"#).await;
    assert_eq!(one.event("chat").await, r#"{"from":"two","text":"hello"}"#);
    assert_eq!(two.ask("chat", r#"{"from":"two","text":" "}"#).await, "say something");
    drop(two);
    assert!(one.event("notice").await.ends_with(" has left"));
}

#[tokio::test]
async fn ask_asks_the_client_back() {
    let example = Example::start("ask").await;
    let mut client = example.enter("/").await;
    client.send("$1;default;;sum;0;0;[1,2,3]").await;
    let question = client.text().await;
    client.send(format!("{};default;;sure?;0;0;yes", question.split(';').next().unwrap())).await;
    assert_eq!(client.text().await, "$1;default;;sum;0;0;6");
}

#[tokio::test]
async fn rooms_admit_some_clients() {
    let example = Example::start("rooms").await;
    let (mut one, mut two) = (example.enter("/").await, example.enter("/").await);
    assert!(one.request("default", "staff", "_OnRoomJoin", "").await.ends_with(";1;0;staff only"));
    one.join("lobby").await;
    two.join("lobby").await;
    assert!(one.event("notice").await.ends_with(" came in"));
    two.send(";default;lobby;say;0;0;hello").await;
    assert_eq!(one.event("say").await, "hello");
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn axum_broadcasts_news() {
    let example = Example::start("axum").await;
    let mut client = example.enter("/ws").await;
    let post = "POST /news HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    assert!(exchange(example.address, post).await.ends_with("offered to 1 connections\n"));
    assert_eq!(client.event("news").await, "hello");
}

#[tokio::test]
async fn native_needs_no_greeting() {
    let example = Example::start("native").await;
    let (mut one, mut two) = (example.dial("/").await, example.dial("/").await);
    one.send("hello").await;
    assert_eq!(one.text().await, "hello");
    two.send("you").await;
    while two.text().await != "you" {}
}

#[tokio::test]
async fn auth_admits_clients_with_a_token() {
    let example = Example::start("auth").await;
    let mut ada = example.dial("/?X-Websocket-Header-Authorization=Bearer%20ada-secret").await;
    assert_eq!(ada.greet().await, "ada");
    ada.connect("default").await;
    let mut eve = example.dial("/").await;
    eve.send("M").await;
    assert_eq!(eve.text().await, "H[1008] no name was given");
    assert_eq!(eve.close_code().await, 1008);
    let mut bob = example.enter("/?X-Websocket-Header-Authorization=Bearer%20bob-secret").await;
    bob.emit("chat", "hello").await;
    assert_eq!(ada.event("chat").await, "bob: hello");
}

#[tokio::test]
async fn client_sends_its_input() {
    let rooms = Example::start("rooms").await;
    let mut other = rooms.enter("/").await;
    other.join("lobby").await;
    let client = Command::new(program("client")).arg(rooms.address.to_string()).stdin(Stdio::piped()).spawn();
    let mut client = client.unwrap();
    assert!(other.event("notice").await.ends_with(" came in"));
    client.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    assert_eq!(other.event("say").await, "hello");
    assert!(client.wait().unwrap().success());
}

#[tokio::test]
async fn both_sides_answer_each_other() {
    let (_port, address) = reserve();
    let output = Command::new(program("both_sides")).arg(address.to_string()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for line in ["pong of server", "pong of client", "server was pinged by client"] {
        assert!(text.lines().any(|printed| printed == line), "{text}");
    }
    assert!(output.status.success());
}

#[cfg(feature = "testing")]
#[test]
fn exchange_keeps_every_promise() {
    let output = Command::new(program("exchange")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(feature = "testing")]
#[test]
fn testing_passes() {
    let output = Command::new(program("testing")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
