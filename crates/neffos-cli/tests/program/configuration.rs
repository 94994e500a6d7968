//! Flags, environment and file, and what happens when they are wrong.

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
async fn it_serves_beside_a_kubernetes_service_of_its_name() {
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
            for part in [key, "off, error, warn, info, debug or trace"] {
                assert!(ended.errors.contains(part), "{level}: {part} is not in {}", ended.errors);
            }
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
