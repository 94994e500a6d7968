//! Every form of broadcast, from servers of either kind to clients of either kind. Each receiver gets the message once,
//! and no other client gets it. The tests compare the raw frames.
//!
//! `cargo xtask go` runs these tests. `NEFFOS_SCENARIO` names the server of this library, `NEFFOS_GO_SERVERS` the
//! folder of those in Go.

use futures_util::future::join_all;
use mixed::{Cluster, Ear, Node, OLDER, SETTINGS, Setting, Way, text};
use test_client::Frame;

#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn everyone_gets_a_broadcast_once_whichever_kind_sends_it() {
    for setting in SETTINGS {
        broadcast_to_all(setting).await;
    }
}

async fn broadcast_to_all(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    for (nth, node) in cluster.nodes.iter().enumerate() {
        let (outside, inside) = (format!("from server {nth}"), format!("from a handler of server {nth}"));
        node.call("bcast", &[("ns", "default"), ("event", "news"), ("body", &outside)]).await;
        all_hear(&mut ears, &format!(";default;;news;0;0;{outside}")).await;
        ears[nth].say(&format!(";default;;chatall;0;0;{inside}")).await;
        all_hear(&mut ears, &format!(";default;;chatall;0;0;{inside}")).await;
    }
    cluster.silent(&mut ears).await;
}

#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn the_sender_is_left_out_and_nobody_else_whichever_kind_it_is_on() {
    for setting in SETTINGS {
        broadcast_to_others(setting).await;
    }
}

async fn broadcast_to_others(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    // The same id on another server is another client.
    for node in &cluster.nodes {
        ears.push(Ear::enter(node, "ada").await);
    }
    for sender in 0..ears.len() {
        let body = format!("from {sender} to others");
        ears[sender].say(&format!(";default;;chatnew;0;0;{body}")).await;
        for (nth, ear) in ears.iter_mut().enumerate().filter(|(nth, _)| *nth != sender) {
            let heard = ear.next().await;
            assert_eq!(heard, text(&format!(";default;;chatnew;0;0;{body}")), "{setting}: {sender} to {nth}");
        }
    }
    ears.truncate(4);
    cluster.silent(&mut ears).await;
}

#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn a_room_is_one_room_on_both_kinds() {
    for setting in SETTINGS {
        broadcast_to_a_room(setting).await;
    }
}

async fn broadcast_to_a_room(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let (mut members, mut others) = (cluster.ears().await, cluster.ears().await);
    for ear in &mut members {
        ear.join("default", "lo;b.by *").await;
    }
    for ear in &mut others {
        ear.join("default", "elsewhere").await;
    }
    let room = "lo@%!semicolon@%!b.by *";
    for (nth, node) in cluster.nodes.iter().enumerate() {
        let parameters = [("ns", "default"), ("room", "lo;b.by *"), ("event", "news"), ("body", "to the room")];
        node.call("bcast", &parameters).await;
        all_hear(&mut members, &format!(";default;{room};news;0;0;to the room")).await;
        members[nth].say(&format!(";default;{room};chatnew;0;0;to others in it")).await;
        for (_, ear) in members.iter_mut().enumerate().filter(|(other, _)| *other != nth) {
            ear.hears(&format!(";default;{room};chatnew;0;0;to others in it")).await;
        }
    }
    members.append(&mut others);
    cluster.silent(&mut members).await;
}

#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn an_id_is_reached_on_every_server_of_either_kind() {
    for setting in SETTINGS {
        broadcast_to_an_id(setting).await;
    }
}

async fn broadcast_to_an_id(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    let id = setting.odd_id();
    let mut devices = Vec::new();
    for node in &cluster.nodes {
        devices.push(Ear::enter(node, id).await);
    }
    devices[0].join("default", "den").await;
    devices[1].join("default", "den").await;
    for node in &cluster.nodes {
        node.call("bcast", &[("ns", "default"), ("event", "news"), ("to", id), ("body", "to one")]).await;
        all_hear(&mut devices, ";default;;news;0;0;to one").await;
        let parameters = [("ns", "default"), ("room", "den"), ("event", "news"), ("to", id), ("body", "in a room")];
        node.call("bcast", &parameters).await;
        all_hear(&mut devices[..2], ";default;den;news;0;0;in a room").await;
    }
    ears.append(&mut devices);
    cluster.silent(&mut ears).await;
}

#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn what_is_sent_in_a_row_arrives_in_that_order_from_each_server() {
    for setting in SETTINGS {
        broadcast_in_a_row(setting).await;
    }
}

async fn broadcast_in_a_row(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    let many = EACH.to_string();
    let talk = cluster.nodes.iter().map(async |node| {
        node.call("bcastmany", &[("ns", "default"), ("event", "news"), ("body", &node.address), ("n", &many)]).await
    });
    join_all(talk).await;
    for ear in &mut ears {
        let heard = ear.take(EACH * cluster.nodes.len()).await;
        let is_in_order = |node: &Node| in_order(node).eq(heard.iter().filter(|frame| is_of(frame, node)).cloned());
        assert!(cluster.nodes.iter().all(is_in_order), "{setting}: {} heard them otherwise", ear.id);
    }
    cluster.silent(&mut ears).await;
}

#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn messages_of_one_call_arrive_together_and_in_their_order() {
    for setting in SETTINGS {
        broadcast_together(setting).await;
    }
}

async fn broadcast_together(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    for node in &cluster.nodes {
        node.call("bcastmix", &[("ns", "default"), ("n", "5")]).await;
        for ear in &mut ears {
            for _ in 0..5 {
                ear.hears(";default;;one;0;0;1").await;
                let heard = ear.take(64).await;
                assert!(heard.iter().all(|frame| *frame == text(";default;;many;0;0;m")), "{setting}");
            }
        }
    }
    cluster.silent(&mut ears).await;
}

#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn namespaces_may_be_called_anything_that_the_broker_lets_through() {
    for setting in SETTINGS {
        broadcast_in_odd_namespaces(setting).await;
    }
}

async fn broadcast_in_odd_namespaces(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    let names = ["semi;ns", "o.d* d>"].into_iter().filter(|name| *name == "semi;ns" || !setting.is_plain());
    for name in names {
        for (ear, node) in ears.iter_mut().zip(&cluster.nodes) {
            ear.connect(name).await;
            ear.settle(node, "a", name).await;
        }
        let written = name.replace(';', "@%!semicolon@%!");
        for (nth, node) in cluster.nodes.iter().enumerate() {
            node.call("bcast", &[("ns", name), ("event", "news"), ("body", "odd")]).await;
            all_hear(&mut ears, &format!(";{written};;news;0;0;odd")).await;
            ears[nth].say(&format!(";{written};;chatall;0;0;all;of;you")).await;
            all_hear(&mut ears, &format!(";{written};;chatall;0;0;all;of;you")).await;
        }
    }
    cluster.silent(&mut ears).await;
}

#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn who_is_in_several_namespaces_gets_each_message_once() {
    for setting in SETTINGS {
        broadcast_in_two_namespaces(setting).await;
    }
}

async fn broadcast_in_two_namespaces(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    for (ear, node) in ears.iter_mut().zip(&cluster.nodes) {
        ear.connect("other").await;
        ear.settle(node, "a", "other").await;
    }
    for node in &cluster.nodes {
        for ns in ["default", "other"] {
            node.call("bcast", &[("ns", ns), ("event", "news"), ("body", "here")]).await;
            all_hear(&mut ears, &format!(";{ns};;news;0;0;here")).await;
        }
    }
    cluster.silent(&mut ears).await;
}

#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn who_has_left_a_namespace_or_a_room_gets_nothing_more() {
    for setting in SETTINGS {
        broadcast_after_leaving(setting).await;
    }
}

async fn broadcast_after_leaving(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    for (ear, node) in ears.iter_mut().zip(&cluster.nodes) {
        ear.connect("other").await;
        ear.settle(node, "a", "other").await;
        ear.join("default", "den").await;
        ear.leave("default", "den").await;
        ear.disconnect("other").await;
    }
    for node in &cluster.nodes {
        node.call("bcast", &[("ns", "default"), ("room", "den"), ("event", "news"), ("body", "nobody")]).await;
        node.call("bcast", &[("ns", "other"), ("event", "news"), ("body", "nobody")]).await;
    }
    cluster.silent(&mut ears).await;
}

/// Returns the messages of one server.
fn in_order(node: &Node) -> impl Iterator<Item = Frame> {
    (0..EACH).map(|nth| text(&format!(";default;;news;0;0;{nth:08}{}", node.address)))
}

fn is_of(frame: &Frame, node: &Node) -> bool {
    frame.payload.ends_with(node.address.as_bytes())
}

/// Checks that this text is the next frame of all clients.
async fn all_hear(ears: &mut [Ear], payload: &str) {
    for ear in ears {
        ear.hears(payload).await;
    }
}

#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn native_messages_cross_where_the_broker_lets_the_empty_name_through() {
    for setting in SETTINGS {
        broadcast_without_an_envelope(setting).await;
    }
}

async fn broadcast_without_an_envelope(setting: Setting) {
    // The subject of the empty name would end with a dot.
    let is_mute = setting.way == Way::Nats && setting.version == OLDER;
    if is_mute {
        return;
    }
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = Vec::new();
    for (nth, node) in cluster.nodes.iter().enumerate() {
        let mut ear = Ear::open(node, "/b", &format!("native{nth}")).await;
        ear.connect("").await;
        ear.settle(node, "b", "").await;
        ears.push(ear);
    }
    for nth in 0..ears.len() {
        ears[nth].say(&format!("without an envelope; from {nth}")).await;
        all_hear(&mut ears, &format!("native:without an envelope; from {nth}")).await;
    }
    for node in &cluster.nodes {
        node.call("bcast", &[("s", "b"), ("event", "last"), ("body", "of this server")]).await;
        all_hear(&mut ears, ";;;last;0;0;of this server").await;
    }
}

/// How many messages each server broadcasts.
const EACH: usize = 300;
