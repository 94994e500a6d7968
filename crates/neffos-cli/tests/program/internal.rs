//! The internal address for operators.

use brokers::free_port;

use crate::support::{Client, KEY, Program, bearer, request};

async fn program() -> (Program, std::net::SocketAddr) {
    let mut program = Program::start(&["--internal-addr", "127.0.0.1:0"]).await;
    let internal = program.internal().await;
    (program, internal)
}

#[tokio::test]
async fn what_operators_reach_is_served_at_their_address_alone() {
    let (program, internal) = program().await;
    let key = bearer(KEY);
    for path in ["/metrics", "/api/stats"] {
        assert_eq!(program.get_as_owner(path).await.status, 404, "{path}");
        assert_eq!(request(internal, "GET", path, &[("authorization", &key)], "").await.status, 200, "{path}");
    }
    assert_eq!(program.post("/api/broadcast", r#"{"event":"e"}"#).await.status, 404);
    assert_eq!(request(internal, "GET", "/api/stats", &[], "").await.status, 401);
    for path in ["/healthz", "/readyz", "/readyz/alone"] {
        assert_eq!(program.get(path).await.status, 200, "{path}");
        assert_eq!(request(internal, "GET", path, &[], "").await.status, 200, "{path}");
    }
    for path in ["/", "/ws", "/neffos.js", "/api/live", "/api/stalled"] {
        assert_eq!(request(internal, "GET", path, &[], "").await.status, 404, "{path}");
    }
    assert_eq!(program.get("/api/live").await.status, 200);
}

#[tokio::test]
async fn a_call_at_the_internal_address_reaches_clients_of_the_public_one() {
    let (program, internal) = program().await;
    let mut ada = Client::connect(program.address, "/ws").await.join_namespace().await;
    let call = r#"{"event":"news","body":"hi"}"#;
    let answer = request(internal, "POST", "/api/broadcast", &[("authorization", &bearer(KEY))], call).await;
    assert_eq!(answer.status, 202);
    assert_eq!(ada.text().await, ";default;;news;0;!;hi");
    program.signal("TERM").await;
    drop(ada);
    assert_eq!(program.code().await, Some(0));
}

#[tokio::test]
async fn why_it_is_not_ready_strangers_are_not_told() {
    let nobody = format!("redis://user:s3cret@127.0.0.1:{}", free_port());
    let mut program = Program::start(&["--internal-addr", "127.0.0.1:0", "--redis", &nobody]).await;
    let internal = program.internal().await;
    let told = async |address| request(address, "GET", "/readyz", &[], "").await;
    // At first the server is joining. A moment later, it has the error of the broker.
    while !told(internal).await.body.starts_with("no link to the other servers for ") {}
    let public = told(program.address).await;
    assert_eq!((public.status, public.body.as_str()), (503, "no link to the other servers\n"));
    let internal = told(internal).await;
    assert!(internal.body.trim_end().len() > "no link to the other servers for 0 s: ".len(), "{}", internal.body);
    assert!(!internal.body.contains("s3cret"), "{}", internal.body);
}
