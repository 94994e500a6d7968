//! Logins to NATS: each kind works, and the error for a wrong one says what is wrong, but shows no secret.

mod support;

use brokers::{Folder, Nats};
use neffos::testing::conformance;
use neffos::{Dialect, LinkState};
use neffos_nats::NatsExchange;
use support::at;
use support::credentials::{Keys, credentials, stranger};
use test_node::{TestNode, refused};

#[tokio::test]
async fn a_user_who_may_do_no_more_than_what_the_prefix_begins_is_enough_for_every_promise() {
    let nats = Nats::with(
        r#"authorization { users = [
            { user: chat, password: "p@ss, word", permissions { publish: "neffos.>", subscribe: "neffos.>" } }
        ] }"#,
    )
    .await;
    conformance(|| at(nats.url_as("chat:p%40ss%2C%20word"))).await;
    conformance(|| at(nats.url()).user_and_password("chat", "p@ss, word")).await;
}

#[tokio::test]
async fn in_the_dialect_of_servers_in_go_a_user_needs_rights_to_the_prefix_only() {
    let nats = Nats::with(
        r#"authorization { users = [
            { user: chat, password: secret, permissions { publish: "neffos.>", subscribe: "neffos.>" } }
        ] }"#,
    )
    .await;
    conformance(|| at(nats.url_as("chat:secret")).dialect(Dialect::go_nats("neffos"))).await;
}

#[tokio::test]
async fn a_server_may_log_in_with_a_token() {
    let nats = Nats::with("authorization { token: s3cret }").await;
    for exchange in [at(nats.url_as("s3cret")), at(nats.url()).token("s3cret")] {
        TestNode::new(exchange).await;
    }
}

#[tokio::test]
async fn a_server_may_log_in_with_the_right_key_only() {
    let (ours, theirs) = (Keys::user(1), Keys::user(2));
    let nats = Nats::with(&format!("authorization {{ users = [{{ nkey: {} }}] }}", ours.public())).await;
    TestNode::new(at(nats.url()).key(ours.seed()).unwrap()).await;
    let err = refused(at(nats.url()).key(theirs.seed()).unwrap()).await;
    assert!(err.is_unreachable() && err.to_string().contains("Authorization Violation"), "{err}");
}

#[tokio::test]
async fn a_server_may_log_in_with_a_credentials_file_which_is_read_for_each_link() {
    let keys = credentials();
    let mut nats = Nats::with(&keys.config).await;
    let folder = Folder::new("credentials");
    let file = folder.write("chat.creds", &keys.file(1));
    let node = TestNode::new(at(nats.url()).credentials_file(&file).unwrap()).await;
    // A user of an account that the server does not know: the next link fails.
    folder.write("chat.creds", &stranger().file(1));
    nats.restart().await;
    node.until("the refusal", |status| status.fault.as_deref().is_some_and(|text| text.contains("Authorization")))
        .await;
    folder.write("chat.creds", &keys.file(2));
    node.until("the new credentials", |status| status.state == LinkState::Up).await;
}

#[tokio::test]
async fn the_error_for_a_wrong_password_or_token_has_the_text_of_nats_and_no_secret() {
    let nats = Nats::with("authorization { user: chat, password: right }").await;
    for exchange in [at(nats.url_as("chat:wr0ng")), at(nats.url()).token("wr0ng"), at(nats.url())] {
        let shown = format!("{exchange:?}");
        let err = refused(exchange).await;
        let text = err.to_string();
        assert!(err.is_unreachable() && text.contains("Authorization Violation"), "{text}");
        assert!(text.contains(&nats.port().to_string()), "it says where: {text}");
        assert!(!format!("{text}{err:?}{shown}").contains("wr0ng"));
    }
}

#[tokio::test]
async fn a_key_is_refused_if_nats_sends_nothing_to_sign() {
    let nats = Nats::with("authorization { user: chat, password: right }").await;
    let err = refused(at(nats.url()).key(Keys::user(1).seed()).unwrap()).await;
    assert!(err.to_string().contains("takes no keys"), "{err}");
}

#[tokio::test]
async fn the_error_names_the_url_of_an_unknown_host_and_of_a_port_without_a_listener() {
    let free = {
        let mut nats = Nats::start().await;
        nats.kill();
        nats.port()
    };
    let err = refused(at(format!("nats://no-such-host.invalid,nats://chat:secret@127.0.0.1:{free}"))).await;
    let text = err.to_string();
    assert!(err.is_unreachable() && text.contains("nats://no-such-host.invalid:4222: "), "{text}");
    assert!(text.contains(&format!("nats://127.0.0.1:{free}: Connection refused")), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn invalid_settings_are_refused_before_anything_is_dialled() {
    let folder = Folder::new("credentials");
    let file = folder.write("empty.creds", "nothing");
    let exchange = || at("nats://127.0.0.1:1");
    let refusals = [
        (NatsExchange::new("http://a"), "tls://"),
        (exchange().key("SUwhatever"), "key"),
        (exchange().credentials_file(&file), "NATS USER JWT"),
        (exchange().credentials_file("/no/such.creds"), "No such file"),
        (exchange().ca_file(&file), "there is no certificate in it"),
        (exchange().ca_file("/no/such.pem"), "/no/such.pem"),
        (exchange().client_certificate(&file, &file), "there is no certificate in it"),
    ];
    for (refusal, reason) in refusals {
        let err = refusal.unwrap_err();
        assert!(err.is_config() && err.to_string().contains(reason), "{err}");
    }
}
