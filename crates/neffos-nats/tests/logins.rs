//! Who a server is to NATS: each way to say so is let in, and what is wrong with it is told, but never a secret.

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
async fn among_servers_in_go_a_user_needs_no_more_than_the_prefix() {
    let nats = Nats::with(
        r#"authorization { users = [
            { user: chat, password: secret, permissions { publish: "neffos.>", subscribe: "neffos.>" } }
        ] }"#,
    )
    .await;
    conformance(|| at(nats.url_as("chat:secret")).dialect(Dialect::go_nats("neffos"))).await;
}

#[tokio::test]
async fn a_token_lets_a_server_in() {
    let nats = Nats::with("authorization { token: s3cret }").await;
    for exchange in [at(nats.url_as("s3cret")), at(nats.url()).token("s3cret")] {
        TestNode::new(exchange).await;
    }
}

#[tokio::test]
async fn a_key_lets_a_server_in_and_another_does_not() {
    let (ours, theirs) = (Keys::user(1), Keys::user(2));
    let nats = Nats::with(&format!("authorization {{ users = [{{ nkey: {} }}] }}", ours.public())).await;
    TestNode::new(at(nats.url()).key(ours.seed()).unwrap()).await;
    let err = refused(at(nats.url()).key(theirs.seed()).unwrap()).await;
    assert!(err.is_unreachable() && err.to_string().contains("Authorization Violation"), "{err}");
}

#[tokio::test]
async fn a_file_of_credentials_lets_a_server_in_and_is_read_anew_for_each_link() {
    let keys = credentials();
    let mut nats = Nats::with(&keys.config).await;
    let folder = Folder::new("credentials");
    let file = folder.write("chat.creds", &keys.file(1));
    let node = TestNode::new(at(nats.url()).credentials_file(&file).unwrap()).await;
    // A user of no account that the server knows: the next link does not come about.
    folder.write("chat.creds", &stranger().file(1));
    nats.restart().await;
    node.until("the refusal", |status| status.fault.as_deref().is_some_and(|text| text.contains("Authorization")))
        .await;
    folder.write("chat.creds", &keys.file(2));
    node.until("the new credentials", |status| status.state == LinkState::Up).await;
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_token_are_refused_in_the_words_of_nats_and_not_shown() {
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
async fn a_key_is_of_no_use_where_nats_has_nothing_to_sign() {
    let nats = Nats::with("authorization { user: chat, password: right }").await;
    let err = refused(at(nats.url()).key(Keys::user(1).seed()).unwrap()).await;
    assert!(err.to_string().contains("takes no keys"), "{err}");
}

#[tokio::test]
async fn a_host_that_nobody_knows_and_a_port_that_nobody_listens_on_are_told_each_by_its_url() {
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
async fn settings_that_make_no_sense_are_refused_before_anything_is_dialled() {
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
