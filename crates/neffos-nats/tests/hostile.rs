//! A program that is no NATS server, or breaks its protocol, causes an error that says so. The exchange neither waits
//! for it nor trusts it.

mod support;

use brokers::Nats;
use support::at;
use test_node::{TestNode, refused};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Returns the error for a broker that sends `script`, one part after each read.
async fn verdict(scheme: &str, script: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("127.0.0.1 has a free port");
    let url = format!("{scheme}://{}", listener.local_addr().expect("a listener has an address"));
    let mut acting = JoinSet::new();
    acting.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            act(stream, script).await;
        }
    });
    refused(at(url)).await.to_string()
}

async fn act(mut stream: TcpStream, script: &[&str]) {
    for part in script {
        let is_said = stream.write_all(part.as_bytes()).await.is_ok();
        let is_answered = matches!(stream.read(&mut [0; 4096]).await, Ok(1..));
        if !is_said || !is_answered {
            return;
        }
    }
}

#[tokio::test]
async fn who_does_not_greet_as_nats_does_is_not_talked_to() {
    let cases: [(&[&str], &str); 6] = [
        (&["HTTP/1.1 400 Bad Request\r\n\r\n"], "begins with no verb of the protocol"),
        (&["PING\r\n"], "does not greet"),
        (&["INFO {\"max_payload\":\r\n"], "no text"),
        (&["-ERR 'maximum connections exceeded'\r\n"], "maximum connections exceeded"),
        (&[], "end of file"),
        (&["INFO {}\r\n"], "end of file"),
    ];
    for (script, expected) in cases {
        let text = verdict("nats", script).await;
        assert!(text.contains(expected), "{script:?}: {text}");
    }
}

#[tokio::test]
async fn who_talks_on_before_tls_is_not_believed() {
    let script = &["INFO {\"tls_required\":true}\r\nPONG\r\n"];
    let text = verdict("tls", script).await;
    assert!(text.contains("another host may have changed the connection"), "{text}");
}

#[tokio::test]
async fn who_breaks_the_protocol_once_a_link_is_there_loses_it() {
    let cases: [(&[&str], &str); 5] = [
        (&["INFO {}\r\n", "PONG\r\n", "HELLO\r\n"], "begins with no verb of the protocol"),
        (&["INFO {}\r\n", "PONG\r\nPONG\r\n"], "sends an answer without a request"),
        (&["INFO {}\r\n", "PONG\r\n", "MSG a 1 99999999999\r\n"], "longer than any server allows"),
        (&["INFO {}\r\n", "PONG\r\n", "-ERR 'Stale Connection'\r\n"], "Stale Connection"),
        (&["INFO {}\r\n", "PONG\r\n"], "closed the connection"),
    ];
    for (script, expected) in cases {
        let text = verdict("nats", script).await;
        assert!(text.contains(expected), "{script:?}: {text}");
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_sends_nothing_is_given_up_and_the_next_is_tried() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nats = Nats::start().await;
    let silent = format!("nats://{}", silent.local_addr().unwrap());
    // The silent server is almost certainly tried first.
    let urls = [silent.as_str(), &silent, &silent, &silent, &nats.url()].join(",");
    TestNode::new(at(urls)).await;
    let err = refused(at(&silent)).await;
    assert!(err.to_string().contains(&format!("{silent}: no answer")), "{err}");
}

#[tokio::test]
async fn pings_of_nats_are_answered() {
    let nats = Nats::with("ping_interval: \"100ms\"\nping_max: 1").await;
    let node = TestNode::new(at(nats.url())).await;
    let before = node.status().published;
    node.until("some seconds", |status| status.published >= before + 2).await;
    assert_eq!(node.status().links, 1, "{}", node.faults());
}
