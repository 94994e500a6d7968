//! Errors about a wrong configuration, and secrets.

use super::{until, until_ready};
use crate::support::{Brand, Broker, Ended, File, Program, run_to_end};

async fn refused(flags: &[&str], variables: &[(&str, &str)]) -> Ended {
    let ended = run_to_end(&[&["serve", "--addr=127.0.0.1:0"], flags].concat(), variables).await;
    assert_eq!((ended.code, ended.output.as_str()), (Some(2), ""), "{flags:?}: {}", ended.errors);
    ended
}

#[tokio::test]
async fn a_wrong_setting_is_named_and_nothing_is_served() {
    let short = File::with("too short");
    for (flags, start) in [
        (&["--redis=redis://a", "--nats=nats://a"][..], "nats: redis is given, too"),
        (&["--redis=http://a"], "redis: "),
        (&["--nats=http://a"], "nats: "),
        (&["--cluster-prefix=x"], "cluster_prefix: there are no other servers"),
        (&["--nats-credentials=x"], "nats_credentials: nats is not given"),
        (&["--nats=nats://a", "--nats-credentials=/gone"], "nats_credentials: "),
        (&["--nats=nats://a", "--cluster-ca=/gone"], "cluster_ca: "),
        (&["--redis=rediss://a", "--cluster-ca=/gone"], "cluster_ca: "),
        (&["--nats=nats://a", "--cluster-cert=x"], "cluster_cert_key: cluster_cert needs it"),
        (&["--nats=nats://a", "--cluster-cert=/gone", "--cluster-cert-key=/gone"], "cluster_cert: "),
        (&["--redis=redis://a", "--redis-spread"], "redis_spread: "),
        (&["--nats=nats://a", "--redis-spread"], "redis_spread: redis is not given"),
        (&["--nats=nats://a", "--cluster-key-file=/gone"], "cluster_key_file: /gone: "),
        (&["--nats=nats://a", "--cluster-key-file", short.path()], "cluster_key_file "),
        (&["--nats=nats://a", "--cluster-queue-age=0s"], "cluster_queue_age: "),
        (&["--nats=nats://a", "--cluster-key=a-key-of-sixteen-bytes"], "cluster_key: not as a flag"),
    ] {
        let ended = refused(flags, &[]).await;
        assert!(ended.errors.starts_with(&format!("error: {start}")), "{flags:?}: {}", ended.errors);
    }
    let ended = refused(&["--nats=nats://a"], &[("NEFFOS_CLUSTER_KEY", "short")]).await;
    assert_eq!(ended.errors, "error: cluster_key: a key has 16 bytes or more\n");
}

#[tokio::test]
async fn a_secret_is_not_shown_even_where_it_is_wrong() {
    const SECRET: &str = "s3cret";
    let file = |text: &str| File::with(&text.replace("SECRET", SECRET));
    for text in [
        "redis = 'ftp://ada:SECRET@127.0.0.1'",
        "redis = ['SECRET']",
        "nats = 'nats://ada:SECRET@[::1'",
        "nats = { url = 'SECRET' }",
        "nats = ['nats://ada:SECRET@a b']",
        "cluster_key = 'SECRET'\nnats = 'nats://a'",
        "cluster_key = ['SECRET']",
        "cluster_key = 'SECRET",
        "'cluster_key' = 'SECRET",
        "cluster_kye = 'SECRET'",
        "api_key = ['SECRET']",
        "api_key = \"SECRET\\x\"",
    ] {
        let file = file(text);
        let ended = refused(&["--config", file.path()], &[]).await;
        assert!(!ended.errors.contains(SECRET), "{text}: {}", ended.errors);
    }
    for name in ["NEFFOS_REDIS", "NEFFOS_NATS"] {
        let ended = refused(&[], &[(name, "ftp://ada:s3cret@a")]).await;
        assert!(!ended.errors.contains(SECRET), "{}", ended.errors);
    }
    let ended = refused(&["--cluster-key=s3cret"], &[]).await;
    assert!(!ended.errors.contains(SECRET), "{}", ended.errors);
}

#[tokio::test]
async fn a_password_is_not_shown_whether_the_broker_refuses_it_or_is_away() {
    for brand in Brand::ALL {
        let mut broker = Broker::start_locked(brand, "another").await;
        let url = broker.url().replace("://", "://ada:s3cret@");
        let variable = format!("NEFFOS_{}", brand.option().to_uppercase());
        let variables = [(variable.as_str(), url.as_str()), ("NEFFOS_LOG", "trace")];
        let flags = ["serve", "--addr=127.0.0.1:0", "--cluster-at-start=require"];
        let refused = run_to_end(&flags, &variables).await;
        broker.kill();
        let away = run_to_end(&flags, &variables).await;
        for ended in [refused, away] {
            assert_eq!(ended.code, Some(3), "{}", ended.errors);
            assert!(!ended.errors.contains("s3cret"), "{}", ended.errors);
        }
    }
}

#[tokio::test]
async fn the_url_of_the_broker_may_be_set_in_the_environment_or_the_file() {
    let broker = Broker::start(Brand::Nats).await;
    let named = Program::run(&[], &[("NEFFOS_NATS", broker.url())]).await;
    until_ready(&named).await;
    let file = File::with(&format!("nats = '{}'\ncluster_key = 'sixteen-bytes-or-so'", broker.url()));
    let written = Program::start(&["--config", file.path()]).await;
    until_ready(&written).await;
    until(&written, |cluster| cluster["state"] == "up").await;
}
