//! A server of NATS that dies: the link goes on over another, and what is said once it is lost, or after, arrives once and in
//! order.

mod support;

use brokers::Nats;
use neffos::LinkState;
use peer::{Peer, until};
use support::{at, monitored};

/// How many clients are connected to a server of NATS.
async fn connections(nats: &Nats) -> u64 {
    monitored(nats, "/varz").await["connections"].as_u64().expect("a number")
}

/// Says `count` numbers, and returns them.
fn say(peer: &Peer, count: usize) -> Vec<String> {
    let said: Vec<_> = (0..count).map(|number| number.to_string()).collect();
    said.iter().for_each(|text| peer.say(text));
    said
}

#[tokio::test]
async fn when_a_server_of_a_cluster_dies_those_at_it_go_on_over_another() {
    let mut cluster = Nats::cluster(2, "").await;
    let urls = format!("{},{}", cluster[0].url(), cluster[1].url());
    let mut peers = Vec::new();
    for _ in 0..4 {
        peers.push(Peer::new(at(&urls)).await);
    }
    for peer in &peers {
        peer.until("the others", |status| status.servers == 3).await;
    }
    let at_each = [connections(&cluster[0]).await, connections(&cluster[1]).await];
    let (dying, lost) = if at_each[0] > at_each[1] { (0, at_each[0]) } else { (1, at_each[1]) };
    assert_eq!(at_each[0] + at_each[1], 4);
    cluster[dying].kill();
    // Those at the other notice nothing.
    let links = || peers.iter().map(|peer| peer.status().links).sum::<u64>();
    until("the links over the other", || links() == 4 + lost).await;
    for peer in &peers {
        peer.until("the others", |status| status.state == LinkState::Up && status.servers == 3).await;
    }
    let said = say(&peers[0], 200);
    peers[0].say("last");
    for peer in &mut peers {
        assert_eq!(peer.up_to("last").await, said);
    }
}

#[tokio::test]
async fn what_is_said_while_nats_is_away_arrives_when_it_is_back_once_and_in_order() {
    let mut nats = Nats::start().await;
    let exchange = at(nats.url());
    let (here, mut there) = (Peer::new(exchange.clone()).await, Peer::new(exchange).await);
    here.until("the other", |status| status.servers == 1).await;
    for _ in 0..3 {
        nats.kill();
        here.until("the loss", |status| status.state == LinkState::Down).await;
        let said = say(&here, 300);
        here.say("last");
        nats.restart().await;
        assert_eq!(there.up_to("last").await, said);
    }
    let status = here.status();
    assert_eq!((status.dropped, status.refused), (0, 0));
}

#[tokio::test]
async fn a_server_of_nats_that_stands_still_is_noticed_and_what_waits_goes_when_it_goes_on() {
    let nats = Nats::start().await;
    let exchange = at(nats.url());
    let (here, mut there) = (Peer::new(exchange.clone()).await, Peer::new(exchange).await);
    here.until("the other", |status| status.servers == 1).await;
    nats.pause();
    here.until("the loss", |status| status.state == LinkState::Down).await;
    let said = say(&here, 300);
    here.say("last");
    nats.resume();
    assert_eq!(there.up_to("last").await, said);
}
