//! Who may come in, as whom, and from where.

use crate::support::{Client, Program};

#[tokio::test]
async fn ids_come_from_the_header_that_is_named_and_never_from_the_url() {
    let program = Program::start(&["--id-header", "X-User"]).await;
    let named = |name| Client::try_connect(program.address, &[("host", "test"), ("x-user", name)]);
    assert_eq!(named("ada").await.unwrap().id, "ada");
    assert_eq!(named("Zoë").await.unwrap().id, "Zoë");
    assert!(named("a\tb").await.unwrap_err().contains(" 400 "));
    let (one, other) = (program.client().await, program.client().await);
    assert_eq!(one.id.len(), 36);
    assert_ne!(one.id, other.id);
    let eve = Client::connect(program.address, "/ws?X-Websocket-Header-X-User=admin").await;
    assert_eq!(eve.id.len(), 36);
}
