//! A server states the sender of a message, and no client can forge it.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use neffos::{Client, Events, Message, NsConn, Sender, Server, State};
use support::ours::{Heard, heard, next, url};
use support::{Running, named, start};

async fn server() -> Running {
    let relayed = async |ns: NsConn, message: Message| {
        // The sender mark that the client wrote is dropped.
        assert_eq!(message.sender(), None);
        ns.broadcast_others(message.sent_by(ns.conn().id()));
    };
    let passed_on = async |ns: NsConn, message: Message| ns.broadcast_others(message);
    let events = Events::new()
        .on("chat", relayed)
        .on("raw", passed_on)
        .on("echo", async |message: Message| neffos::Reply::text(format!("{:?}", message.sender())));
    start(named(Server::builder()).namespace("default", events)).await
}

/// Marks that an attacker may put into the sixth field.
const FORGED: [&str; 6] = ["@ada", "!", "@", "1", "0", "@ada@%!semicolon@%!"];

#[tokio::test]
async fn a_mark_that_a_client_writes_reaches_nobody() {
    let running = server().await;
    let (mut eve, mut bob) = (running.enter_as("eve").await, running.enter_as("bob").await);
    for mark in FORGED {
        eve.send(format!(";default;;chat;0;{mark};hi")).await;
        assert_eq!(bob.text().await, ";default;;chat;0;@eve;hi", "{mark}");
        // A handler that relays the message unchanged does not send the mark either.
        eve.send(format!(";default;;raw;0;{mark};hi")).await;
        let flag = if mark == "1" { "1" } else { "0" };
        assert_eq!(bob.text().await, format!(";default;;raw;0;{flag};hi"), "{mark}");
        eve.send(format!("$1;default;;echo;0;{mark};")).await;
        assert_eq!(eve.text().await, "$1;default;;echo;0;0;None", "{mark}");
    }
}

#[tokio::test]
async fn a_client_sees_the_sender_of_a_message() {
    let running = server().await;
    let (told, mut heard) = heard();
    let events = Events::new().on_any(async |State(told): Heard, message: Message| {
        if message.is_local() {
            return;
        }
        let sender = match message.sender() {
            Some(Sender::Connection(id)) => format!("connection {id}"),
            Some(Sender::Program) => "program".to_owned(),
            _ => "no sender".to_owned(),
        };
        told.send(format!("{} from {sender}", message.event())).await.unwrap();
    });
    let client = Client::builder(&url(&running)).namespace("default", events).state(told).dial().await.unwrap();
    client.connect("default").await.unwrap();
    let mut ada = running.enter_as("a;d@a").await;
    ada.emit("chat", "hi").await;
    assert_eq!(next(&mut heard).await, "chat from connection a;d@a");
    ada.emit("raw", "hi").await;
    assert_eq!(next(&mut heard).await, "raw from no sender");
    running.server.broadcast(Message::new("news", "x").in_namespace("default").sent_by_program());
    assert_eq!(next(&mut heard).await, "news from program");
}
