//! Servers that start before their broker, and servers that die.

use neffos::LinkState;
use test_faults::{Broker, Kind, Stand, within};
use tokio::join;

async fn comes_late(kind: Kind) {
    let mut broker = Broker::start(kind).await;
    broker.kill();
    let mut stand = Stand::apart(2, &broker, &|builder| builder).await;
    for node in &stand.nodes {
        let fault = within("the first try", node.server.joined()).await.expect_err("there is no broker");
        let place = format!("127.0.0.1:{}", node.way.port());
        assert!(fault.is_unreachable() && fault.to_string().contains(&place), "{fault}");
        assert_eq!((node.status().state, node.status().links), (LinkState::Down, 0));
    }
    stand.say_paced(10).await;
    stand.heard_at_home().await;
    stand.say_while(broker.restart()).await;
    stand.say_until("to join the others", Stand::is_together).await;
    let (joined, told) = (stand.rounds(), stand.nodes[0].told());
    stand.say();
    stand.until("to hear everyone", |stand| stand.have_heard(joined + 1)).await;
    stand.check_books(joined);
    let states: Vec<_> = told.iter().map(|status| status.state).collect();
    assert!(states.first() == Some(&LinkState::Down) && states.last() == Some(&LinkState::Up), "{states:?}");
    within("joined", stand.nodes[0].server.joined()).await.expect("the broker is there");
}

#[tokio::test]
async fn without_a_broker_a_server_reports_it_serves_its_own_clients_and_joins_once_there_is_one() {
    join!(comes_late(Kind::Redis), comes_late(Kind::Nats));
}

async fn dies(kind: Kind) {
    let broker = Broker::start(kind).await;
    let mut stand = Stand::of(3, &broker).await;
    stand.say_paced(25).await;
    stand.kill_last();
    let is_gone = |stand: &Stand| {
        let count = |nth: usize| stand.nodes[nth].server.cluster().expect("it has an exchange").total_connections();
        [0, 1].iter().all(|nth| (count(*nth).servers, count(*nth).count) == (2, 2))
    };
    stand.say_until("to forget the server that is gone", is_gone).await;
    let rounds = stand.rounds();
    stand.until("to hear everyone", |stand| stand.have_heard(rounds)).await;
    stand.check_books(0);
    for node in &stand.nodes {
        let status = node.status();
        assert_eq!((status.links, status.dropped, status.servers), (1, 0, 1), "{status:?}");
    }
}

#[tokio::test]
async fn a_server_that_dies_without_notice_costs_the_others_nothing_and_is_soon_not_counted() {
    join!(dies(Kind::Redis), dies(Kind::Nats));
}
