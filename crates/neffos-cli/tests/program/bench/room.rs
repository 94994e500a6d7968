//! The limits of this machine for connections, and connections that the server closes.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::refused;
use crate::support::{run_to_end, soon};

/// Accepts `count` connections. Sends `last` to the first when all are there. Returns the source addresses and the
/// connections.
async fn let_in(listener: TcpListener, count: usize, last: &[u8]) -> (BTreeSet<IpAddr>, Vec<TcpStream>) {
    let (mut sources, mut streams) = (BTreeSet::new(), Vec::new());
    for _ in 0..count {
        let (mut stream, source) = soon(listener.accept()).await.unwrap();
        let mut request = [0; 1024];
        assert!(soon(stream.read(&mut request)).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await.unwrap();
        sources.insert(source.ip());
        streams.push(stream);
    }
    streams[0].write_all(last).await.unwrap();
    (sources, streams)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn connections_beyond_the_share_of_one_address_use_further_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let flags = ["bench", "idle", &url, "--dialect", "plain", "--connections", "5", "--clients-per-address", "2"];
    let flags = [&flags[..], &["--hold", "10ms"]].concat();
    let (ended, (sources, _streams)) = tokio::join!(run_to_end(&flags, &[]), let_in(listener, 5, b""));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let sources: Vec<_> = sources.iter().map(ToString::to_string).collect();
    assert_eq!(sources, ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
}

#[tokio::test]
async fn more_connections_than_there_is_room_for_are_refused_at_once() {
    let far = ["idle", "ws://192.0.2.1/ws", "--connections", "5", "--clients-per-address", "2"];
    assert!(refused(&far).await.errors.contains("only a server at 127.0.0.1"));
    refused(&["idle", "ws://127.0.0.1:1/ws", "--connections", "1000000000000"]).await;
}

#[tokio::test]
async fn a_connection_that_the_server_closes_is_counted_and_fails_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let flags = ["bench", "idle", &url, "--dialect", "plain", "--connections", "3", "--hold", "300ms", "--json"];
    let (ended, _streams) = tokio::join!(run_to_end(&flags, &[]), let_in(listener, 3, b"\x88\x02\x03\xe8"));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.output).unwrap();
    assert_eq!((&report["connections"], &report["left"]), (&3.into(), &1.into()));
}
