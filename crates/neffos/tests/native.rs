//! Native messages: frames without an envelope, beside namespaces or instead of them.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use neffos::{Conn, Error, Events, Message, NsConn, Reply, Server};
use support::{start, within};
use tokio_tungstenite::tungstenite::Message as Frame;

fn echo() -> Events {
    Events::new().on_native(async |ns: NsConn, message: Message| {
        let back = Message::native(message.body().clone());
        ns.send(if message.is_binary() { back.binary() } else { back })
    })
}

#[tokio::test]
async fn alone_every_frame_is_a_native_message_without_a_greeting() {
    let running = start(Server::builder().namespace("", echo())).await;
    let mut client = running.upgrade(&[]).await;
    client.send("hello").await;
    assert_eq!(client.text().await, "hello");
    client.send(";default;;chat;0;0;x").await;
    assert_eq!(client.text().await, ";default;;chat;0;0;x");
    client.send_binary([1, 2, 3]).await;
    assert_eq!(client.frame().await.unwrap(), Frame::binary([1, 2, 3].to_vec()));
    running.server.broadcast(Message::native("to all"));
    assert_eq!(client.text().await, "to all");
}

#[tokio::test]
async fn alone_a_refused_client_is_closed_with_1008_and_nothing_of_it_is_handled() {
    let builder = Server::builder().namespace("", echo());
    let running = start(builder.on_connect(async |_: Conn, _| Err::<(), _>(Error::new("not you")))).await;
    let mut client = running.upgrade(&[]).await;
    client.send("hello").await;
    let end = within(client.frame()).await.unwrap();
    assert!(matches!(end, Frame::Close(Some(frame)) if u16::from(frame.code) == 1008));
}

#[tokio::test]
async fn beside_namespaces_native_messages_need_the_empty_namespace() {
    let events = echo().on("echo", async |body: String| Reply::text(body));
    let running = start(Server::builder().namespace("", events).namespace("default", Events::new())).await;
    let mut client = running.dial().await;
    client.send("unheard").await;
    client.connect("").await;
    client.send("heard").await;
    assert_eq!(client.text().await, "heard");
    assert_eq!(client.request("", "", "echo", "x").await, ";;;echo;0;0;x");
}
