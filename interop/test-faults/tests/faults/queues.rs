//! The queue for a broker that is down is bounded, and messages without room in it are counted.

use std::time::Duration;

use test_faults::{Broker, Kind, Node, Stand};
use tokio::join;

const ROOM: usize = 100;
const FLOOD: usize = 300;

async fn is_full(kind: Kind) {
    let broker = Broker::start(kind).await;
    let minute = Duration::from_secs(60);
    let mut stand = Stand::with(2, &broker, &|builder| builder.exchange_queue(ROOM, 1 << 20, minute)).await;
    stand.say_paced(25).await;
    let blow = stand.moment();
    broker.pause();
    stand.say_until("to be told of the outage", |stand| stand.nodes.iter().all(Node::has_told_loss)).await;
    let before = stand.moment();
    // No other task runs meanwhile: all these calls return while the broker hangs.
    (0..FLOOD).for_each(|_| stand.say());
    for (before, node) in before.statuses.iter().zip(&stand.nodes) {
        let now = node.status();
        assert_eq!(now.queued, ROOM, "{now:?}");
        assert_eq!((now.dropped - before.dropped) as usize, before.queued + FLOOD - ROOM, "{now:?}");
    }
    stand.heard_at_home().await;
    broker.resume();
    stand.say_until("to reach each other again", Stand::is_together).await;
    let together = stand.rounds();
    stand.say_until("to hear each other", |stand| stand.have_heard(together + 1)).await;
    stand.check_books(together);
    for (sender, receiver) in [(0, 1), (1, 0)] {
        let (account, status) = (stand.ears[receiver].ledger().of(sender), stand.nodes[sender].status());
        let (lost, dropped) = (account.lost(together).len(), status.dropped as usize);
        let at_most = dropped + status.uncertain as usize + blow.on_the_way(sender, receiver);
        assert!((dropped..=at_most).contains(&lost), "{lost} lost: {status:?}");
    }
}

#[tokio::test]
async fn a_broadcast_returns_while_the_broker_hangs_and_dropped_messages_are_counted_exactly() {
    join!(is_full(Kind::Redis), is_full(Kind::Nats));
}
