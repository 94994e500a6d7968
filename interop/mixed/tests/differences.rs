//! Differences between servers of the two kinds in one cluster, one for each test.

use mixed::{Cluster, Ear, Kind, OLDER, SETTINGS, Setting, Way, YOUNGER, binary, text, text_of};

/// Servers in Go do not tell each other which frames are binary. Servers of this library do.
#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn what_is_binary_comes_out_of_servers_in_go_as_text() {
    for setting in SETTINGS {
        broadcast_bytes(setting).await;
    }
}

async fn broadcast_bytes(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    for sender in 0..ears.len() {
        for body in [&b"\xff\x00"[..], b"letters"] {
            let payload = [b";default;;chatall;0;0;", body].concat();
            ears[sender].say_binary(payload.clone()).await;
            let (as_text, as_bytes) = (text_of(payload.clone()), binary(payload));
            let from_rust = cluster.nodes[sender].kind.is_rust();
            for (ear, node) in ears.iter_mut().zip(&cluster.nodes) {
                // A server of this library never sends invalid UTF-8 as text, wherever it comes from.
                let is_kept = node.kind.is_rust() && (from_rust || body == b"\xff\x00");
                let expected = [&as_text, &as_bytes][usize::from(is_kept)];
                assert_eq!(ear.next().await, *expected, "{setting}: from server {sender} to {}", ear.id);
            }
        }
    }
    cluster.silent(&mut ears).await;
}

/// Servers in Go know only their own connections by id, and do not publish the excluded id.
#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn an_excluded_id_is_left_out_on_servers_of_ours_when_one_of_ours_says_so() {
    for setting in SETTINGS {
        exclude_an_id(setting).await;
    }
}

async fn exclude_an_id(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = Vec::new();
    for node in &cluster.nodes {
        ears.push(Ear::enter(node, "ada").await);
    }
    for (sender, node) in cluster.nodes.iter().enumerate() {
        let what = [("ns", "default"), ("event", "news"), ("body", "not for ada"), ("except", "ada")];
        node.call("bcast", &what).await;
        for (nth, ear) in ears.iter_mut().enumerate() {
            let is_ours = cluster.nodes[nth].kind.is_rust();
            let is_left_out = match node.kind {
                Kind::Rust => is_ours,
                Kind::Go(version) => version == YOUNGER && nth == sender,
            };
            if !is_left_out {
                ear.hears(";default;;news;0;0;not for ada").await;
            }
        }
    }
    cluster.silent(&mut ears).await;
}

/// A server in Go publishes the asker's token in the place of its name. So the asker is not excluded, and clients of
/// servers in Go get the token.
#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn an_ask_that_is_broadcast_again_carries_its_token_only_among_servers_in_go() {
    for setting in SETTINGS {
        broadcast_an_ask(setting).await;
    }
}

async fn broadcast_an_ask(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    for sender in 0..ears.len() {
        let from_rust = cluster.nodes[sender].kind.is_rust();
        if !from_rust && setting.version == OLDER {
            // The server's process would end.
            continue;
        }
        ears[sender].say("$token;default;;chat;0;0;ask").await;
        for (nth, ear) in ears.iter_mut().enumerate().filter(|(nth, _)| *nth != sender || !from_rust) {
            let has_token = !from_rust && !cluster.nodes[nth].kind.is_rust();
            ear.hears(if has_token { "$token;default;;chat;0;0;ask" } else { ";default;;chat;0;0;ask" }).await;
        }
    }
    cluster.silent(&mut ears).await;
}

/// The older version leaves dots in subjects, where all others write `_`. It has no subject for names with spaces and
/// wildcards.
#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn over_nats_the_older_version_does_not_share_names_with_dots() {
    let cluster = Cluster::of_both_kinds(Setting { way: Way::Nats, version: OLDER }).await;
    let mut ears = cluster.ears().await;
    let mut devices = Vec::new();
    for node in &cluster.nodes {
        devices.push(Ear::enter(node, "user.1").await);
    }
    for node in &cluster.nodes {
        node.call("bcast", &[("ns", "default"), ("event", "news"), ("to", "user.1"), ("body", "to one")]).await;
        let is_alike = |nth: &usize| cluster.nodes[*nth].kind.is_rust() == node.kind.is_rust();
        for nth in (0..devices.len()).filter(is_alike) {
            devices[nth].hears(";default;;news;0;0;to one").await;
        }
    }
    cluster.silent(&mut ears).await;
}

/// The older version uses names as patterns, in which brackets do not match themselves.
#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn over_redis_the_older_version_does_not_share_names_with_brackets() {
    let setting = Setting { way: Way::Redis, version: OLDER };
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    let mut devices = Vec::new();
    for node in &cluster.nodes {
        devices.push(Ear::enter(node, "user[1]").await);
    }
    for node in &cluster.nodes {
        node.call("bcast", &[("ns", "default"), ("event", "news"), ("to", "user[1]"), ("body", "to one")]).await;
        for nth in (0..devices.len()).filter(|nth| cluster.nodes[*nth].kind.is_rust()) {
            devices[nth].hears(";default;;news;0;0;to one").await;
        }
    }
    cluster.silent(&mut ears).await;
}

/// The older version's subject for the namespace without a name would end with a dot, which NATS refuses.
#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn over_nats_the_older_version_does_not_share_the_namespace_without_a_name() {
    let setting = Setting { way: Way::Nats, version: OLDER };
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = Vec::new();
    for (nth, node) in cluster.nodes.iter().enumerate() {
        let mut ear = Ear::open(node, "/b", &format!("native{nth}")).await;
        ear.connect("").await;
        ear.connect("default").await;
        ear.settle(node, "b", "default").await;
        ears.push(ear);
    }
    ears[0].say("hello").await;
    for nth in [0, 2] {
        ears[nth].hears("native:hello").await;
    }
    ears[1].say("hello").await;
    for node in &cluster.nodes {
        node.call("bcast", &[("s", "b"), ("ns", "default"), ("event", "last"), ("body", &node.address)]).await;
    }
    for ear in &mut ears {
        let mut heard = ear.take(cluster.nodes.len()).await;
        heard.sort_by(|left, right| left.payload.cmp(&right.payload));
        let mut expected: Vec<_> =
            cluster.nodes.iter().map(|node| text(&format!(";default;;last;0;0;{}", node.address))).collect();
        expected.sort_by(|left, right| left.payload.cmp(&right.payload));
        assert_eq!(heard, expected, "{}", ear.id);
    }
}

/// The older version uses an id as a pattern. Even so, its clients receive nothing but messages.
#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn what_servers_of_ours_tell_each_other_reaches_no_client_of_servers_in_go() {
    for setting in SETTINGS {
        listen_to_everything(setting).await;
    }
}

async fn listen_to_everything(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let everything = if setting.way == Way::Redis { "*" } else { ">" };
    let mut curious = Vec::new();
    for node in &cluster.nodes {
        curious.push(Ear::enter(node, everything).await);
    }
    let mut ears = cluster.ears().await;
    let guest = cluster.another(Kind::Rust, "127.0.0.1:0").await;
    let visitor = Ear::enter(&guest, "eve").await;
    guest.call("bcast", &[("ns", "default"), ("event", "news"), ("body", "hello")]).await;
    drop(visitor);
    guest.stop().await;
    for ear in &mut ears {
        ear.hears(";default;;news;0;0;hello").await;
    }
    let last = ";default;;news;0;0;good-bye";
    cluster.nodes[0].call("bcast", &[("ns", "default"), ("event", "news"), ("body", "good-bye")]).await;
    for (ear, node) in curious.iter_mut().zip(&cluster.nodes) {
        let mut heard = Vec::new();
        while heard.last() != Some(&text(last)) {
            heard.push(ear.next().await);
        }
        heard.dedup();
        assert_eq!(heard, [text(";default;;news;0;0;hello"), text(last)], "{setting}: on {:?}", node.kind);
    }
}
