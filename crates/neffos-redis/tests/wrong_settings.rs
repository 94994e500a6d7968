//! The error for a wrong setting says what to change, and shows no secret.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use brokers::{Authority, Redis, Sentinel, free_port};
use neffos_redis::RedisExchange;
use test_node::refused;

/// Returns the reason why there is no link.
async fn refusal(exchange: RedisExchange) -> String {
    let err = refused(exchange).await;
    assert!(err.is_unreachable(), "{err}");
    err.to_string()
}

async fn refusal_of(url: impl AsRef<str>) -> String {
    refusal(RedisExchange::new(url).unwrap()).await
}

#[track_caller]
fn says(fault: &str, expected: &[&str]) {
    assert!(expected.iter().all(|part| fault.contains(part)), "{fault}");
    assert!(!fault.contains("s3cret"), "{fault}");
}

#[tokio::test]
async fn the_error_names_a_wrong_password() {
    let redis = Redis::with(&["--requirepass", "right"]).await;
    let at = format!("127.0.0.1:{}", redis.port());
    says(&refusal_of(format!("redis://:s3cret@{at}")).await, &[&at, "WRONGPASS"]);
    says(&refusal_of(format!("redis://ada:s3cret@{at}")).await, &[&at, "WRONGPASS"]);
    says(&refusal_of(format!("redis://{at}")).await, &[&at, "NOAUTH"]);
}

#[tokio::test]
async fn the_error_names_a_host_that_does_not_exist() {
    says(&refusal_of("redis://no-such-host.invalid").await, &["no-such-host.invalid:6379"]);
    let at = format!("127.0.0.1:{}", free_port());
    says(&refusal_of(format!("redis://ada:s3cret@{at}")).await, &[&at, "refused"]);
    let all = format!("redis+sentinel://{at},no-such-host.invalid/main");
    says(&refusal_of(all).await, &[&at, "refused", "no-such-host.invalid:26379"]);
}

#[tokio::test]
async fn the_error_names_a_redis_of_another_kind_than_the_url() {
    let (redis, sentinel) = (Redis::start().await, Sentinel::start().await);
    let port = redis.port();
    says(&refusal_of(format!("redis+cluster://127.0.0.1:{port}")).await, &["cluster support disabled"]);
    says(&refusal_of(format!("redis+sentinel://127.0.0.1:{port}/main")).await, &["unknown command", "SENTINEL"]);
    let of_sentinel = sentinel.url().replace("+sentinel", "").replace("/main", "");
    says(&refusal_of(of_sentinel).await, &["that is a sentinel", "redis+sentinel://"]);
    says(&refusal_of(sentinel.url().replace("main", "other")).await, &["does not know the service \"other\""]);
}

#[tokio::test]
async fn a_replica_is_refused() {
    let master = Redis::start().await;
    let replica = Redis::with(&["--replicaof", "127.0.0.1", &master.port().to_string()]).await;
    says(&refusal_of(replica.url()).await, &["that is a replica"]);
}

#[tokio::test]
async fn the_error_names_a_cluster_that_is_not_created_yet() {
    let node = Redis::with(&["--cluster-enabled", "yes", "--cluster-port", &free_port().to_string()]).await;
    says(&refusal_of(format!("redis+cluster://127.0.0.1:{}", node.port())).await, &["no node has slots"]);
}

#[tokio::test]
async fn the_error_names_the_missing_right_to_subscribe() {
    let redis = Redis::start().await;
    redis.command("ACL SETUSER chat on >s3cret resetchannels &neffos.* +@all -subscribe").await;
    let url = redis.url().replace("://", "://chat:s3cret@");
    says(&refusal_of(&url).await, &["NOPERM", "subscribe"]);
    redis.command("ACL SETUSER chat resetchannels &other.* +subscribe").await;
    says(&refusal_of(&url).await, &["NOPERM", "channel"]);
}

#[tokio::test]
async fn what_is_wrong_with_tls_is_told() {
    let (authority, stranger) = (Authority::new("one"), Authority::new("other"));
    let (port, path) = (free_port().to_string(), |path: &std::path::Path| path.display().to_string());
    let (certificate, key) = authority.vouch_for("127.0.0.1");
    let files = [path(authority.file()), path(&certificate), path(&key)];
    let [ca, certificate, key] = &files;
    let settings =
        ["--tls-port", &port, "--tls-ca-cert-file", ca, "--tls-cert-file", certificate, "--tls-key-file", key];
    let redis = Redis::with(&settings).await;
    let (own, own_key) = authority.vouch_for("chat");
    let exchange = |host: &str, authority: &Authority| {
        let exchange = RedisExchange::new(format!("rediss://ada:s3cret@{host}:{port}")).unwrap();
        exchange.ca_file(authority.file()).unwrap()
    };
    says(&refusal(exchange("127.0.0.1", &stranger)).await, &["no TLS", "UnknownIssuer"]);
    says(&refusal(exchange("localhost", &authority)).await, &["no TLS", "not valid for name"]);
    let shown = exchange("127.0.0.1", &authority).client_certificate(&own, &own_key).unwrap();
    says(&refusal(shown).await, &["WRONGPASS"]);
    says(&refusal(exchange("127.0.0.1", &authority)).await, &["CertificateRequired"]);
    says(&refusal_of(format!("rediss://127.0.0.1:{}", redis.port())).await, &["no TLS"]);
    says(&refusal_of(format!("redis://127.0.0.1:{port}")).await, &["127.0.0.1"]);
}

#[test]
fn invalid_settings_are_refused_immediately() {
    let authority = Authority::new("one");
    let (own, own_key) = authority.vouch_for("chat");
    let tls = || RedisExchange::new("rediss://127.0.0.1").unwrap();
    let plain = || RedisExchange::new("redis://127.0.0.1").unwrap();
    let cases = [
        (plain().ca_file(authority.file()), "must begin with rediss"),
        (plain().client_certificate(&own, &own_key), "must begin with rediss"),
        (plain().spread_over_shards(), "not that of a cluster"),
        (tls().ca_file("/no/such/file"), "/no/such/file"),
        (tls().ca_file(&own_key), "there is no certificate in it"),
        (tls().client_certificate(&own, authority.file()), "client key"),
        (tls().client_certificate(authority.file(), &own_key), "client certificate"),
    ];
    for (set, expected) in cases {
        let err = set.unwrap_err();
        assert!(err.is_config() && err.to_string().contains(expected), "{err}");
    }
}

#[test]
fn no_password_is_shown() {
    let url = "redis+sentinel://ada:s3cret@a/main?sentinel_password=s3cret";
    let exchange = RedisExchange::new(url).unwrap();
    assert!(!format!("{exchange:?}").contains("s3cret"));
}
