//! No command shows a password, a token or a header in any of its errors.

use crate::support::{Program, run_to_end};

/// Every secret of these tests contains this text.
const MARK: &str = "s3cr3t";

/// Runs `emit`, `ask`, `watch` and `dial` with these arguments. Returns their output and exit codes.
async fn outputs(url: &str, flags: &[&str], variables: &[(&str, &str)]) -> Vec<(String, Option<i32>)> {
    let mut outputs = Vec::new();
    for command in [
        &["emit", url, "chat", "hi"][..],
        &["ask", url, "nothing", "--ask-timeout", "50ms"],
        &["watch", url, "--timeout", "50ms"],
        &["watch", url, "--timeout", "50ms", "--json"],
        &["dial", url, "--no-reconnect"],
        &["dial", url, "--no-reconnect", "--json"],
    ] {
        let ended = run_to_end(&[command, flags].concat(), variables).await;
        let output = format!("{}{}", ended.output, ended.errors);
        assert!(!output.contains(MARK), "{command:?} {flags:?}: {output}");
        outputs.push((output, ended.code));
    }
    outputs
}

#[tokio::test]
async fn urls_that_cannot_be_used_are_shown_without_their_secrets() {
    for url in [
        "ws://me:s3cr3t@127.0.0.1:1/ws",
        "me:s3cr3t@127.0.0.1:1",
        "ws://me:a/s3cr3t@127.0.0.1:1",
        "ws://127.0.0.1:s3cr3t/",
        "ws://127.0.0.1:99999/?token=s3cr3t",
        "xs3cr3t://127.0.0.1:1",
        "redis://:s3cr3t?@127.0.0.1",
    ] {
        for (output, code) in outputs(url, &[], &[]).await {
            assert_eq!(code, Some(2), "{url}: {output}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_the_secrets_of_its_url() {
    for (url, variable) in [
        ("ws://127.0.0.1:1/ws?token=s3cr3t#s3cr3t", ""),
        ("ws://127.0.0.1:1/hooks/s3cr3t-s3cr3t-s3cr3t", ""),
        ("ws://192.0.2.1/ws?s3cr3t", "http://me:s3cr3t@127.0.0.1:1"),
        ("ws://192.0.2.1/ws?s3cr3t", "https://me:s3cr3t@127.0.0.1:1"),
        ("ws://192.0.2.1/ws?s3cr3t", "http://me:s3cr3t@127.0.0.1:99999"),
    ] {
        for (output, code) in outputs(url, &[], &[("HTTP_PROXY", variable)]).await {
            assert!(matches!(code, Some(2 | 3)), "{url}: {output}");
        }
    }
}

#[tokio::test]
async fn errors_about_wrong_arguments_show_no_secret() {
    let url = "ws://127.0.0.1:1";
    for flags in [
        &["--header", "Bearer s3cr3t"][..],
        &["--header", "authorization s3cr3t: x"],
        &["--header", "authorization: s3cr3t\u{1}"],
        &["--header", "host: s3cr3t"],
        &["more", "ws://me:s3cr3t@host/?token=s3cr3t"],
        &["--ask-timeout", "ws://me:s3cr3t@host"],
        &["--ask-timeout=me:s3cr3t@host"],
    ] {
        for (output, code) in outputs(url, flags, &[]).await {
            assert_eq!(code, Some(2), "{flags:?}: {output}");
        }
    }
}

#[tokio::test]
async fn the_load_client_shows_no_secret() {
    for flags in [
        &["ws://me:s3cr3t@127.0.0.1:1"][..],
        &["ws://127.0.0.1:1/?token=s3cr3t"],
        &["ws://127.0.0.1:s3cr3t"],
        &["ws://127.0.0.1:1", "--metrics", "http://me:s3cr3t@127.0.0.1:1/"],
        &["ws://127.0.0.1:1", "--metrics", "http://127.0.0.1:1/metrics?key=s3cr3t"],
        &["ws://127.0.0.1:1", "--metrics", "http://127.0.0.1:s3cr3t/metrics"],
    ] {
        let ended = run_to_end(&[&["bench", "idle", "--connections", "1"], flags].concat(), &[]).await;
        let output = format!("{}{}", ended.output, ended.errors);
        assert!(!output.contains(MARK) && ended.code != Some(0), "{flags:?}: {output}");
    }
}

#[tokio::test]
async fn an_open_connection_is_named_without_the_secrets_of_its_url() {
    let program = Program::start(&[]).await;
    let url = format!("{}?token=s3cr3t", program.url());
    let outputs = outputs(&url, &["--header", "authorization: s3cr3t"], &[]).await;
    let welcomed = outputs.iter().filter(|(output, _)| output.contains("/ws?…")).count();
    assert_eq!(welcomed, 4, "{outputs:?}");
}
