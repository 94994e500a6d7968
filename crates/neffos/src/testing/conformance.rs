//! The conformance suite for implementations of [`Exchange`], as one function.

use std::pin::pin;

use futures_util::FutureExt;

use super::stand::{self, Ear, Stand, texts};
use crate::exchange::Exchange;
use crate::message::Message;
use crate::server::Exclude;
use crate::websocket::{CloseCode, CloseFrame};

/// Tests servers that share an exchange. Each call of `exchange` returns the exchange of one more server. Servers and
/// clients use real sockets, on 127.0.0.1.
///
/// # Panics
///
/// When a test fails. The text names the test.
pub async fn conformance<E: Exchange>(exchange: impl Fn() -> E) {
    a_broadcast_reaches_all_connections_of_all_servers_once(&exchange).await;
    only_the_sender_is_left_out(&exchange).await;
    all_connections_with_an_id_are_left_out(&exchange).await;
    a_room_is_one_room_on_all_servers(&exchange).await;
    an_id_is_reached_on_any_server(&exchange).await;
    several_messages_arrive_in_their_order(&exchange).await;
    bodies_arrive_unchanged(&exchange).await;
    a_new_member_misses_nothing(&exchange).await;
    a_member_that_left_gets_nothing(&exchange).await;
    messages_of_each_sender_arrive_in_order_everywhere(&exchange).await;
    connections_on_any_server_can_be_asked(&exchange).await;
    connections_are_counted_on_all_servers(&exchange).await;
    an_id_is_closed_on_any_server(&exchange).await;
}

async fn a_broadcast_reaches_all_connections_of_all_servers_once<E: Exchange>(exchange: &impl Fn() -> E) {
    let stand = Stand::of(3, exchange).await;
    let mut ears = stand.ears(&["ada", "bob", "cyd", "dan"]).await;
    ears[0].say("from a handler, to all");
    for ear in &mut ears {
        assert_eq!(ear.next().await, "from a handler, to all", "to all, heard by {}", ear.id);
    }
    stand.servers[1].broadcast(stand::message("from a server, to all"));
    for ear in &mut ears {
        assert_eq!(ear.next().await, "from a server, to all", "heard by {}", ear.id);
    }
    stand.silent(&mut ears).await;
}

async fn only_the_sender_is_left_out<E: Exchange>(exchange: &impl Fn() -> E) {
    let stand = Stand::of(2, exchange).await;
    // The same id on another server is another connection.
    let mut ears = stand.ears(&["ada", "ada", "bob"]).await;
    ears[0].say_to_others("to others");
    for ear in &mut ears[1..] {
        assert_eq!(ear.next().await, "to others", "heard by {}", ear.id);
    }
    stand.silent(&mut ears).await;
}

async fn all_connections_with_an_id_are_left_out<E: Exchange>(exchange: &impl Fn() -> E) {
    let stand = Stand::of(2, exchange).await;
    let mut ears = stand.ears(&["ada", "ada", "bob", "cyd"]).await;
    stand.servers[0].broadcast_except(Exclude::id("ada"), stand::message("not for ada"));
    for ear in &mut ears[2..] {
        assert_eq!(ear.next().await, "not for ada", "heard by {}", ear.id);
    }
    stand.silent(&mut ears).await;
}

async fn a_room_is_one_room_on_all_servers<E: Exchange>(exchange: &impl Fn() -> E) {
    let stand = Stand::of(2, exchange).await;
    let mut ears = stand.ears(&["ada", "bob", "cyd", "dan"]).await;
    for (nth, room) in [(0, "a.b *>"), (1, "a.b *>"), (3, "a_b")] {
        ears[nth].join(room).await;
    }
    stand.servers[0].broadcast(stand::message("to the room").to_room("a.b *>"));
    for ear in &mut ears[..2] {
        assert_eq!(ear.next().await, "to the room", "heard by {}", ear.id);
    }
    stand.silent(&mut ears).await;
}

async fn an_id_is_reached_on_any_server<E: Exchange>(exchange: &impl Fn() -> E) {
    let stand = Stand::of(3, exchange).await;
    let mut ears = stand.ears(&["user 1", "user*", "user 1"]).await;
    stand.servers[1].broadcast(stand::message("to one").to("user 1"));
    for nth in [0, 2] {
        assert_eq!(ears[nth].next().await, "to one");
    }
    ears[0].join("lobby").await;
    stand.servers[1].broadcast(stand::message("to one in a room").to("user 1").to_room("lobby"));
    assert_eq!(ears[0].next().await, "to one in a room");
    stand.servers[2].broadcast(stand::message("not a pattern").to("user*"));
    assert_eq!(ears[1].next().await, "not a pattern");
    stand.silent(&mut ears).await;

    // Ids that a broker may have to map to the same channel name.
    let mut alike = stand.ears(&["a.b", "a b", "a_b"]).await;
    for id in ["a.b", "a b", "a_b"] {
        stand.servers[1].broadcast(stand::message(format!("only to {id}")).to(id));
    }
    for ear in &mut alike {
        assert_eq!(ear.next().await, format!("only to {}", ear.id));
    }
    stand.silent(&mut alike).await;
}

async fn several_messages_arrive_in_their_order<E: Exchange>(exchange: &impl Fn() -> E) {
    let stand = Stand::of(2, exchange).await;
    let mut ears = stand.ears(&["ada", "bob"]).await;
    for ear in &ears {
        ear.join("lobby").await;
    }
    let messages = ["1", "2", "3", "4"].map(stand::message);
    let [one, two, three, four] = messages;
    stand.servers[0].broadcast([one, two.to_room("lobby"), three.to("bob"), four]);
    for (nth, expected) in [(0, vec!["1", "2", "4"]), (1, vec!["1", "2", "3", "4"])] {
        assert_eq!(ears[nth].take(expected.len()).await, expected);
    }
    stand.silent(&mut ears).await;
}

async fn bodies_arrive_unchanged<E: Exchange>(exchange: &impl Fn() -> E) {
    let stand = Stand::of(2, exchange).await;
    let mut ears = stand.ears(&["ada", "bob"]).await;
    let bytes: Vec<u8> = (0..=255).collect();
    let long = "x;".repeat(20_000);
    let messages = [
        stand::message(""),
        stand::message("a;b;;c\n"),
        stand::message(bytes.clone()).binary(),
        stand::message(long.clone()),
        Message::native(vec![0, 255]).binary(),
        Message::native("no envelope"),
    ];
    for message in messages {
        stand.servers[0].broadcast(message);
    }
    for ear in &mut ears {
        let heard = ear.take_messages(6).await;
        let bodies: Vec<_> = heard.iter().map(|message| &message.body()[..]).collect();
        assert_eq!(bodies, [b"", &b"a;b;;c\n"[..], &bytes, long.as_bytes(), &[0, 255], b"no envelope"], "{}", ear.id);
        let kinds: Vec<_> = heard.iter().map(|message| (message.is_binary(), message.is_native())).collect();
        let text = (false, false);
        assert_eq!(kinds, [text, text, (true, false), text, (true, true), (false, true)], "{}", ear.id);
    }
}

async fn a_new_member_misses_nothing<E: Exchange>(exchange: &impl Fn() -> E) {
    let stand = Stand::of(2, exchange).await;
    for nth in 0..20 {
        let mut ear = stand.ear(1, "ada").await;
        stand.servers[0].broadcast(stand::message(format!("namespace {nth}")));
        assert_eq!(ear.next().await, format!("namespace {nth}"), "right after it was connected");
        ear.join("lobby").await;
        stand.servers[0].broadcast(stand::message(format!("room {nth}")).to_room("lobby"));
        assert_eq!(ear.next().await, format!("room {nth}"), "right after it had joined");
        stand.servers[0].broadcast(stand::message(format!("id {nth}")).to("ada"));
        assert_eq!(ear.next().await, format!("id {nth}"));
    }
}

async fn a_member_that_left_gets_nothing<E: Exchange>(exchange: &impl Fn() -> E) {
    let stand = Stand::of(2, exchange).await;
    let mut ears = stand.ears(&["ada", "bob"]).await;
    ears[1].join("lobby").await.leave().await.unwrap();
    stand.servers[0].broadcast(stand::message("nobody").to_room("lobby"));
    stand.silent(&mut ears).await;
    ears[1].join("lobby").await;
    stand.servers[0].broadcast(stand::message("back").to_room("lobby"));
    assert_eq!(ears[1].next().await, "back");
}

async fn messages_of_each_sender_arrive_in_order_everywhere<E: Exchange>(exchange: &impl Fn() -> E) {
    const EACH: usize = 500;
    let stand = Stand::of(3, exchange).await;
    let mut ears = stand.ears(&["ada", "bob", "cyd"]).await;
    for ear in &ears {
        ear.join("lobby").await;
    }
    for nth in 0..EACH {
        for (sender, server) in stand.servers.iter().enumerate() {
            let message = stand::message(format!("{sender} {nth}"));
            server.broadcast(if nth % 2 == 0 { message } else { message.to_room("lobby") });
        }
    }
    for ear in &mut ears {
        let heard = ear.take(3 * EACH).await;
        for sender in 0..3 {
            let of_sender = heard.iter().filter(|text| text.starts_with(&format!("{sender} ")));
            let expected: Vec<_> = (0..EACH).map(|nth| format!("{sender} {nth}")).collect();
            assert!(
                of_sender.eq(expected.iter()),
                "{} heard sender {sender} out of order, twice or not at all",
                ear.id
            );
        }
    }
    stand.silent(&mut ears).await;
}

async fn connections_on_any_server_can_be_asked<E: Exchange>(exchange: &impl Fn() -> E) {
    let stand = Stand::of(2, exchange).await;
    let _ears = stand.ears(&["ada", "bob", "a.b *", "c d.>"]).await;
    for id in ["ada", "bob", "a.b *", "c d.>"] {
        let question = Message::new("who", "are you?").in_namespace("default").to(id);
        let answer = stand.servers[0].ask(question).await.unwrap();
        assert_eq!(answer.text().unwrap(), format!("{id}: are you?"));
    }
    let answer = stand.servers[1].ask(Message::new("who", "first").in_namespace("default")).await.unwrap();
    assert!(answer.text().unwrap().ends_with(": first"), "{answer:?}");
    let refusal = stand.servers[0].ask(Message::new("refuse", "").in_namespace("default").to("bob")).await.unwrap_err();
    assert!(refusal.is_remote() && refusal.to_string() == "not me", "{refusal:?}");
    let question = Message::new("who", "").in_namespace("default").to("nobody");
    let mut nobody = pin!(stand.servers[0].ask(question));
    assert!((&mut nobody).now_or_never().is_none());
    stand.servers[0].ask(Message::new("who", "").in_namespace("default").to("bob")).await.unwrap();
    assert!(nobody.now_or_never().is_none(), "there is nobody who could have answered");
}

async fn connections_are_counted_on_all_servers<E: Exchange>(exchange: &impl Fn() -> E) {
    let stand = Stand::of(3, exchange).await;
    let ears = stand.ears(&["ada", "bob", "cyd", "dan"]).await;
    for ear in &ears[..2] {
        ear.join("lobby").await;
    }
    let cluster = stand.servers[2].cluster().unwrap();
    stand.until(|| cluster.status().servers == 2).await;
    for (room, expected) in [(None, 4), (Some("lobby"), 2), (Some("empty"), 0)] {
        let count = cluster.count_in("default", room).await;
        assert_eq!((count.count, count.servers, count.missing), (expected, 3, 0), "in {room:?}");
    }
    stand.until(|| cluster.total_connections().count == 4).await;
}

async fn an_id_is_closed_on_any_server<E: Exchange>(exchange: &impl Fn() -> E) {
    let stand = Stand::of(2, exchange).await;
    let ears = stand.ears(&["ada", "bob", "bob"]).await;
    stand.servers[0].close_id("bob", &CloseFrame::new(CloseCode::POLICY, "out"));
    for ear in &ears[1..] {
        let frame = ear.closed().await.expect("a close frame");
        assert_eq!((frame.code(), frame.reason()), (CloseCode::POLICY, "out"));
    }
    let mut ears: Vec<Ear> = ears.into_iter().take(1).collect();
    stand.silent(&mut ears).await;
    assert_eq!(texts(&ears[0].heard_so_far()), Vec::<String>::new());
}
