//! The keys of the HTTP API.

use crate::support::{File, KEY, Program, bearer, request, run_to_end};

const BUILDS: &str = "the-key-of-the-builds";
const OPERATORS: &str = "the-key-of-the-operators";

async fn status_with(program: &Program, key: &str) -> u16 {
    request(program.address, "GET", "/api/stats", &[("authorization", &bearer(key))], "").await.status
}

#[tokio::test]
async fn each_key_of_a_file_opens_the_api_and_the_log_names_it_and_never_shows_it() {
    let file = File::with(&format!("# who\nci {BUILDS}\nops {OPERATORS}\n"));
    let mut program = Program::run_logged(&["--api-keys-file", file.path(), "--log-format=json"]).await;
    for (key, status) in [(BUILDS, 200), (OPERATORS, 200), (KEY, 401)] {
        assert_eq!(status_with(&program, key).await, status, "{key}");
    }
    let refused = program.logged("API call refused").await;
    assert!(refused.contains(r#""reason":"the key is wrong""#) && !refused.contains(KEY), "{refused}");
    let call = r#"{"event":"news","room":"say \"hi\"","body":"x"}"#;
    request(program.address, "POST", "/api/broadcast", &[("authorization", &bearer(BUILDS))], call).await;
    let told = program.logged("\"broadcast\"").await;
    for part in [r#""key":"ci""#, r#""path":"/api/broadcast""#, r#""event":"news""#, r#""room":"say \"hi\"""#] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(told["span"]["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{told}");
}

#[tokio::test]
async fn sighup_reads_the_keys_again_and_nobody_is_closed() {
    let file = File::with(&format!("ci {BUILDS}\n"));
    let mut program = Program::run_logged(&["--api-keys-file", file.path()]).await;
    let mut ada = program.client().await.join_namespace().await;
    file.replace("ci short");
    program.signal("HUP").await;
    let told = program.logged("API keys not reloaded").await;
    assert!(told.contains("line 1: a key has 16 to 512 characters"), "{told}");
    assert_eq!(status_with(&program, BUILDS).await, 200);

    file.replace(&format!("ops {OPERATORS}\n"));
    program.signal("HUP").await;
    program.logged("API keys reloaded").await;
    assert_eq!((status_with(&program, BUILDS).await, status_with(&program, OPERATORS).await), (401, 200));
    assert_eq!(ada.ask("default;;chat;0;0;still here").await, "$1;default;;chat;0;0;");
}

#[tokio::test]
async fn a_key_on_the_command_line_is_warned_of() {
    let mut program = Program::start_logged(&[]).await;
    let told = program.logged("every user of this machine can read flags").await;
    assert!(told.contains("api_key: ") && !told.contains(KEY), "{told}");
}

#[tokio::test]
async fn a_file_of_keys_that_cannot_be_used_is_an_error_that_names_it() {
    for (text, fault) in [("", "there is no key in it"), ("ci short", "line 1: "), ("default x", "line 1: ")] {
        let file = File::with(text);
        let ended = run_to_end(&["serve", "--addr=127.0.0.1:0", "--api-keys-file", file.path()], &[]).await;
        assert_eq!((ended.code, ended.output.as_str()), (Some(2), ""));
        assert!(
            ended.errors.starts_with(&format!("error: api_keys_file {}: {fault}", file.path())),
            "{}",
            ended.errors
        );
    }
    let twice = File::with(&format!("ci {BUILDS}\nci {OPERATORS}"));
    let ended = run_to_end(&["serve", "--addr=127.0.0.1:0", "--api-keys-file", twice.path()], &[]).await;
    assert!(ended.errors.contains("there are two keys named ci"), "{}", ended.errors);
}
