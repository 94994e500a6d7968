//! Log lines about the other servers.

use super::until;
use crate::support::{Brand, Broker, Program};

/// Starts a server over `broker` with this key. The test reads its log.
async fn logged(broker: &Broker, key: Option<&str>) -> Program {
    let variables: Vec<_> = key.map(|key| ("NEFFOS_CLUSTER_KEY", key)).into_iter().collect();
    Program::run_logged_with(&broker.flags(), &variables).await
}

/// Returns the node name of a server.
async fn name(program: &mut Program) -> String {
    let line = program.logged("linked to the other servers").await;
    let (_, rest) = line.split_once("node=").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn servers_that_join_leave_or_are_killed_are_logged() {
    let broker = Broker::start(Brand::Redis).await;
    let mut one = logged(&broker, None).await;
    name(&mut one).await;
    let mut ends = logged(&broker, None).await;
    let joined = one.logged("a server joined the cluster").await;
    let ending = name(&mut ends).await;
    assert!(joined.contains(" INFO ") && joined.contains(&ending) && joined.contains("servers=2"), "{joined}");
    ends.signal("TERM").await;
    let left = one.logged("a server left the cluster").await;
    assert!(left.contains(&ending) && left.contains("it ended") && left.contains("servers=1"), "{left}");

    let mut killed = logged(&broker, None).await;
    let dead = name(&mut killed).await;
    one.logged("a server joined the cluster").await;
    killed.kill().await;
    let left = one.logged("a server left the cluster").await;
    assert!(left.contains(&dead) && left.contains("it was silent for 10 s"), "{left}");
}

#[tokio::test]
async fn servers_with_different_keys_say_so_on_both_sides_in_one_line() {
    for (theirs, reason) in [
        (Some("the-key-of-another-cluster"), "it is not signed with this server's cluster key"),
        (None, "it is signed with a cluster key, and this server has none"),
    ] {
        let broker = Broker::start(Brand::Nats).await;
        let mut one = logged(&broker, Some("the-key-of-this-cluster")).await;
        name(&mut one).await;
        let mut other = logged(&broker, theirs).await;
        let warned = one.logged("does not belong to this cluster").await;
        assert!(warned.contains(" WARN ") && warned.contains("not signed with this server's cluster key"), "{warned}");
        let warned = other.logged("does not belong to this cluster").await;
        assert!(warned.contains(reason), "{warned}");
        // A flood of such envelopes writes one line.
        for nth in 0..200 {
            other.post("/api/disconnect", &format!(r#"{{"id":"{nth}"}}"#)).await;
        }
        until(&one, |cluster| cluster["rejected"].as_u64() >= Some(200)).await;
        one.signal("TERM").await;
        let rest = one.logged_until("draining").await;
        assert!(!rest.iter().any(|line| line.contains("does not belong")), "{rest:?}");
    }
}
