//! Measurements of broadcasts while other connections join and leave, over TLS, and through the HTTP API.

use serde_json::Value;

use super::{refused, report};
use crate::support::{File, KEY, Program, run_to_end};

fn received(report: &Value) -> (&Value, &Value) {
    (&report["deliveries"]["received"], &report["deliveries"]["lost"])
}

#[tokio::test]
async fn a_burst_reaches_all_receivers_while_others_join_and_leave() {
    let program = Program::start(&["--message-rate", "0", "--join-rate", "0"]).await;
    // The rate gives the other clients time to join and leave.
    let flags = ["--receivers", "20", "--messages", "100", "--rate", "400", "--churning", "2"];
    let report = report("broadcast", &program.url(), &flags).await;
    assert_eq!(report["connections"], 23);
    assert_eq!(received(&report), (&2000.into(), &0.into()));
    assert!(report["changes"].as_u64().unwrap() > 0, "{report}");
}

#[tokio::test]
async fn joining_and_leaving_is_refused_where_the_dialect_lacks_it() {
    let ended = refused(&["broadcast", "ws://127.0.0.1:1", "--dialect", "pusher", "--churning", "2"]).await;
    assert!(ended.errors.contains("--churning"), "{ended:?}");
}

#[tokio::test]
async fn all_modes_work_over_tls() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (File::with(&made.cert.pem()), File::with(&made.signing_key.serialize_pem()));
    let flags = ["--tls-cert", certificate.path(), "--tls-key", key.path(), "--message-rate", "0"];
    let program = Program::start(&flags).await;
    let url = format!("wss://localhost:{}/ws", program.address.port());
    let trust = ["--cacert", certificate.path()];
    // More than one TLS record, and more than one read.
    let flags = ["--receivers", "20", "--messages", "200", "--size", "9000"];
    let flooded = report("broadcast", &url, &[&flags[..], &trust].concat()).await;
    assert_eq!(received(&flooded), (&4000.into(), &0.into()));
    let flags = ["--connections", "5", "--total", "40", "--room", "r-%"];
    let churn = report("connect", &url, &[&flags[..], &trust].concat()).await;
    assert_eq!((&churn["connections"], &churn["left"]), (&40.into(), &0.into()));

    let strange = run_to_end(&["bench", "idle", &url, "--connections", "1"], &[]).await;
    assert!(strange.errors.contains("certificate"), "{strange:?}");
}

#[tokio::test]
async fn messages_can_be_posted_to_the_http_api() {
    let program = Program::start(&[]).await;
    let api = format!("http://{}/api/broadcast", program.address);
    let post = ["--receivers", "10", "--messages", "50", "--room", "lobby", "--api", &api];
    let posted = report("broadcast", &program.url(), &[&post[..], &["--api-key", KEY]].concat()).await;
    assert_eq!((&posted["connections"], received(&posted)), (&11.into(), (&500.into(), &0.into())));

    let refusal = run_to_end(&[&["bench", "broadcast", &program.url()], &post[..]].concat(), &[]).await;
    assert!(refusal.errors.contains("the HTTP API answered 401"), "{refusal:?}");
    let ended = refused(&["broadcast", "ws://127.0.0.1:1", "--dialect", "socketio", "--api", &api]).await;
    assert!(ended.errors.ends_with("--dialect socketio: it has no HTTP API that --api could use\n"), "{ended:?}");
}
