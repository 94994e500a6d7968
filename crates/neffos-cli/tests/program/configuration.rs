//! Flags, environment and file, and errors in them.

use crate::support::{File, Program, bearer, request, run_to_end};

#[tokio::test]
async fn an_unknown_key_of_the_file_is_named_and_nothing_is_served() {
    let file = File::with("addr = '127.0.0.1:0'\ncolour = 'red'\n");
    let ended = run_to_end(&["serve", "--config", file.path()], &[]).await;
    assert_eq!((ended.code, ended.output.as_str()), (Some(2), ""));
    for part in [file.path(), "line 2", "unknown field `colour`", "`max_connections`"] {
        assert!(ended.errors.contains(part), "{part} is not in {}", ended.errors);
    }
}

#[tokio::test]
async fn an_unknown_variable_is_named_and_nothing_is_served() {
    let ended = run_to_end(&["serve", "--addr=127.0.0.1:0"], &[("NEFFOS_COLOUR", "red")]).await;
    assert_eq!((ended.code, ended.output.as_str()), (Some(2), ""));
    assert!(ended.errors.starts_with("error: NEFFOS_COLOUR: there is no such variable"), "{}", ended.errors);
}

#[tokio::test]
async fn a_flag_counts_more_than_the_environment_and_that_more_than_the_file() {
    let file = File::with("api_key = 'the-key-of-the-file'");
    let variable = [("NEFFOS_API_KEY", "the-key-of-the-environment")];
    let flag = ["--api-key", "the-key-of-the-flag"];
    for (flags, variables, key) in [
        (&flag[..], &variable[..], "the-key-of-the-flag"),
        (&[], &variable, "the-key-of-the-environment"),
        (&[], &[], "the-key-of-the-file"),
    ] {
        let flags = [&["--config", file.path()], flags].concat();
        let program = Program::run(&flags, variables).await;
        let headers = [("authorization", &*bearer(key))];
        assert_eq!(request(program.address, "GET", "/api/stats", &headers, "").await.status, 200, "{key}");
    }
}

#[tokio::test]
async fn a_short_key_is_an_error() {
    let ended = run_to_end(&["serve", "--addr=127.0.0.1:0"], &[("NEFFOS_API_KEY", "secret")]).await;
    assert_eq!((ended.code, ended.output.as_str()), (Some(2), ""));
    assert!(ended.errors.contains("NEFFOS_API_KEY: a key has 16 to 512 characters"), "{}", ended.errors);
}

#[tokio::test]
async fn the_program_serves_beside_a_kubernetes_service_of_its_name() {
    let variables = [("NEFFOS_SERVICE_HOST", "10.0.0.1"), ("NEFFOS_PORT", "tcp://10.0.0.1:80"), ("NEFFOS_REDIS", "")];
    let program = Program::run(&[], &variables).await;
    assert_eq!(program.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn settings_that_contradict_each_other_are_an_error() {
    let flags = ["serve", "--addr=127.0.0.1:0", "--drain-window=2m", "--shutdown-timeout=1m"];
    let ended = run_to_end(&flags, &[]).await;
    assert_eq!((ended.code, ended.output.as_str()), (Some(2), ""));
    assert!(ended.errors.contains("drain_window: longer than shutdown_timeout"), "{}", ended.errors);
}

#[tokio::test]
async fn no_secret_that_cannot_be_used_is_shown_be_it_a_flag_a_variable_or_a_line_of_the_file() {
    let present = File::with("");
    let (cert, cluster_cert) = (format!("--tls-cert={}", present.path()), format!("--cluster-cert={}", present.path()));
    let nats = "--nats=nats://127.0.0.1:1";
    for (key, value, others) in [
        ("api_key", "s3cr3t of two words", &[][..]),
        ("api_key", "s3cr3t", &[]),
        ("api_keys_file", "s3cr3t/in+place=of-a-file", &[]),
        ("tls_key", "s3cr3t", &[cert.as_str()]),
        ("redis", "redis://127.0.0.1:1/s3cr3t", &[]),
        ("redis", "s3cr3t", &[]),
        ("nats", "nats://127.0.0.1:1/s3cr3t", &[]),
        ("nats_credentials", "s3cr3t", &[nats]),
        ("cluster_key", "s3cr3t", &[nats]),
        ("cluster_key_file", "s3cr3t", &[nats]),
        ("cluster_cert_key", "s3cr3t", &[nats, &cluster_cert]),
    ] {
        let flag = format!("--{}", key.replace('_', "-"));
        let variable = format!("NEFFOS_{}", key.to_uppercase());
        let (file, torn) = (File::with(&format!("{key} = '{value}'")), File::with(&format!("{key} = {value}")));
        for (flags, variables) in [
            (&[flag.as_str(), value][..], &[][..]),
            (&[&format!("{flag}={value}")], &[]),
            (&[], &[(variable.as_str(), value)]),
            (&["--config", file.path()], &[]),
            (&["--config", torn.path()], &[]),
        ] {
            let ended = run_to_end(&[&["serve", "--addr=127.0.0.1:0"], others, flags].concat(), variables).await;
            let told = format!("{}{}", ended.output, ended.errors);
            assert_eq!(ended.code, Some(2), "{key} {flags:?}: {told}");
            assert!(!told.contains("s3cr3t") && !told.contains("two words"), "{key} {flags:?}: {told}");
            let names = [key, flag.as_str(), variable.as_str()];
            assert!(names.iter().any(|name| told.contains(name)), "{key} {flags:?}: {told}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_too_large_or_none_is_an_error_that_names_its_key() {
    for (flags, start) in [
        (&["--config=/dev/zero"][..], "/dev/zero: larger than 1048576 bytes"),
        (&["--api-keys-file=/dev/zero"], "api_keys_file: /dev/zero: this is no regular file"),
        (&["--tls-cert=/dev/zero", "--tls-key=/dev/zero"], "tls_cert: /dev/zero: this is no regular file"),
        (&["--nats=nats://a", "--cluster-key-file=/dev/zero"], "cluster_key_file: /dev/zero: this is no regular file"),
        (&["--nats=nats://a", "--cluster-ca=/dev/zero"], "cluster_ca: /dev/zero: this is no regular file"),
        (&["--nats=nats://a", "--nats-credentials=/dev"], "nats_credentials: /dev: this is no regular file"),
    ] {
        let ended = run_to_end(&[&["serve", "--addr=127.0.0.1:0"], flags].concat(), &[]).await;
        assert_eq!(ended.code, Some(2), "{}", ended.errors);
        assert!(ended.errors.starts_with(&format!("error: {start}")), "{flags:?}: {}", ended.errors);
    }
}

#[tokio::test]
async fn a_rate_that_would_lock_clients_out_is_an_error() {
    for (flag, part) in [
        ("--byte-rate=1000", "byte_rate: with a burst below 16384"),
        ("--byte-rate=1000000:16383", "one message that max_message allows"),
        ("--byte-rate=1:0", "a burst of 0 lets nothing through"),
        ("--message-rate=1:0", "a burst of 0 lets nothing through"),
        ("--join-rate=1:0", "a burst of 0 lets nothing through"),
    ] {
        let ended = run_to_end(&["serve", "--addr=127.0.0.1:0", flag], &[]).await;
        assert_eq!(ended.code, Some(2), "{flag}: {}", ended.errors);
        assert!(ended.errors.contains(part), "{flag}: {}", ended.errors);
    }
    let program = Program::start(&["--byte-rate=1000000:16384"]).await;
    let mut ada = program.client().await.join_namespace().await;
    let mut bob = program.client().await.join_namespace().await;
    ada.emit("chat", &"x".repeat(65_000)).await;
    assert!(bob.text().await.len() > 65_000);
}

#[tokio::test]
async fn a_misspelt_log_level_is_an_error_that_names_the_key_and_the_levels_wherever_it_is_written() {
    for level in ["warning", "verbose", "5", "bogus level", "info,hyper"] {
        let file = File::with(&format!("log = '{level}'"));
        let flag = format!("--log={level}");
        for (flags, variables, key) in [
            (&[flag.as_str()][..], &[][..], "--log"),
            (&[], &[("NEFFOS_LOG", level)], "NEFFOS_LOG: "),
            (&["--config", file.path()], &[], "log = "),
        ] {
            let ended = run_to_end(&[&["serve", "--addr=127.0.0.1:0"], flags].concat(), variables).await;
            assert_eq!((ended.code, ended.output.as_str()), (Some(2), ""), "{level}: {}", ended.errors);
            let is_clear =
                [key, "off, error, warn, info, debug or trace"].iter().all(|part| ended.errors.contains(part));
            assert!(is_clear, "{level}: {}", ended.errors);
        }
    }
}

#[tokio::test]
async fn the_help_is_the_manual() {
    let ended = run_to_end(&["serve", "--help"], &[]).await;
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    for part in ["--slow-consumer-timeout <TIME>", "[default: 10s]", "NEFFOS_<OPTION>", "[namespaces.default.events]"] {
        assert!(ended.output.contains(part), "{part} is not in {}", ended.output);
    }
}
