//! Outages of the broker.

use serde_json::{Value, json};

use super::{member, metric, pair, until, until_ready, until_status};
use crate::support::{Brand, Broker, Client, Program, run_to_end};

#[tokio::test]
async fn while_the_broker_is_away_a_server_is_alive_and_not_ready() {
    for brand in Brand::ALL {
        let mut broker = Broker::start(brand).await;
        let [one, other] = pair(&broker, &[]).await;
        broker.kill();
        until_status(&one, 503).await;
        let answer = one.get("/readyz").await;
        assert_eq!(answer.body, "no link to the other servers\n");
        assert_eq!((one.get("/healthz").await.status, one.get("/readyz/alone").await.status), (200, 200));
        assert_eq!(metric(&one, "neffos_cluster_up").await, 0.0);
        assert!(metric(&one, "neffos_cluster_lag_seconds").await.is_nan());
        assert_eq!(metric(&one, "neffos_cluster_missed_total").await, 0.0);
        assert_eq!(one.get("/api/live").await.json()["cluster"]["linked"], false);
        let is_told = |cluster: &Value| cluster["fault"].is_string() && cluster["missed"] == 0;
        until(&one, |cluster| cluster["state"] == "down" && is_told(cluster)).await;

        broker.restart().await;
        until_ready(&one).await;
        until_ready(&other).await;
        assert_eq!(metric(&one, "neffos_cluster_up").await, 1.0);
        assert_eq!(metric(&one, "neffos_cluster_links_total").await, 2.0);
    }
}

#[tokio::test]
async fn while_the_broker_is_away_clients_here_are_served_and_what_is_for_others_waits() {
    for brand in Brand::ALL {
        let mut broker = Broker::start(brand).await;
        let [one, other] = pair(&broker, &[]).await;
        let mut here = one.client().await.join_namespace().await;
        let mut there = other.client().await.join_namespace().await;
        broker.kill();
        for program in [&one, &other] {
            until(program, |cluster| cluster["state"] == "down").await;
        }
        let mut newcomer = one.client().await.join_namespace().await;
        for text in ["1", "2"] {
            one.post("/api/broadcast", &json!({"event": "e", "body": text}).to_string()).await;
            assert_eq!(here.heard().await, format!(";default;;e;0;0;{text}"));
            assert_eq!(newcomer.heard().await, format!(";default;;e;0;0;{text}"));
        }
        assert_eq!(metric(&one, "neffos_cluster_queued_messages").await, 2.0);
        assert!(metric(&one, "neffos_cluster_queued_bytes").await > 0.0);
        broker.restart().await;
        for text in ["1", "2"] {
            assert_eq!(there.heard().await, format!(";default;;e;0;0;{text}"), "{brand:?}");
        }
    }
}

#[tokio::test]
async fn a_broker_that_answers_nothing_any_more_is_noticed() {
    for brand in Brand::ALL {
        let broker = Broker::start(brand).await;
        let [one, other] = pair(&broker, &[]).await;
        let mut there = other.client().await.join_namespace().await;
        broker.pause();
        until_status(&one, 503).await;
        let ask = one.post("/api/ask", r#"{"event":"e","timeout_ms":20}"#).await;
        assert_eq!((ask.status, ask.error().as_str()), (504, "no connection answered in time"));
        until_status(&other, 503).await;
        one.post("/api/broadcast", r#"{"event":"e","body":"later"}"#).await;
        broker.resume();
        until_ready(&one).await;
        // The ask may have been on its way, and may arrive first.
        until_heard(&mut there, ";default;;e;0;0;later").await;
    }
}

async fn until_heard(client: &mut Client, text: &str) {
    while client.heard().await != text {}
}

#[tokio::test]
async fn what_finds_no_room_while_the_broker_is_away_is_dropped_and_counted() {
    let mut broker = Broker::start(Brand::Nats).await;
    let one = member(&broker, &["--cluster-queue-messages=2"]).await;
    broker.kill();
    until(&one, |cluster| cluster["state"] == "down").await;
    for _ in 0..5 {
        one.post("/api/broadcast", r#"{"event":"e"}"#).await;
    }
    assert_eq!(metric(&one, "neffos_cluster_queued_messages").await, 2.0);
    assert_eq!(metric(&one, "neffos_cluster_dropped_total").await, 3.0);
}

#[tokio::test]
async fn the_log_says_when_the_link_is_lost_and_when_it_is_back() {
    for brand in Brand::ALL {
        let mut broker = Broker::start(brand).await;
        let mut program = Program::start_logged(&broker.flags()).await;
        program.logged("linked to the other servers").await;
        broker.kill();
        let lost = program.logged("no link to the other servers").await;
        assert!(lost.contains("WARN") && lost.contains("fault="), "{lost}");
        broker.restart().await;
        program.logged("linked to the other servers").await;
    }
}

#[tokio::test]
async fn a_broker_that_is_away_at_the_start_is_waited_for() {
    for brand in Brand::ALL {
        let mut broker = Broker::start(brand).await;
        broker.kill();
        let program = Program::start(&broker.flags()).await;
        program.client().await.join_namespace().await;
        assert_eq!(program.get("/readyz").await.status, 503);
        broker.restart().await;
        until_ready(&program).await;
    }
}

#[tokio::test]
async fn a_broker_that_is_required_and_away_at_the_start_ends_the_program() {
    for brand in Brand::ALL {
        let mut broker = Broker::start(brand).await;
        broker.kill();
        let flags = [&["serve", "--addr=127.0.0.1:0", "--cluster-at-start=require"], &broker.flags()[..]].concat();
        let ended = run_to_end(&flags, &[]).await;
        assert_eq!((ended.code, ended.output.as_str()), (Some(3), ""));
        let error = ended.errors.lines().find(|line| line.starts_with("error: ")).unwrap();
        assert!(error.starts_with(&format!("error: {}: ", brand.option())), "{error}");
        assert!(error.contains("Connection refused"), "{error}");
    }
}
