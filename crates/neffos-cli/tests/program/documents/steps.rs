//! The code blocks that run here.

use std::time::Duration;

use tokio::time::interval;

use super::shell::Shell;
use super::{blocks, read};
use crate::support::{Client, File, Program, bearer, request};

/// Returns the code of the block of a page that begins with `begin` after its fence.
fn code(page: &str, begin: &str) -> String {
    let text = read(page);
    let found = blocks(&text).into_iter().find(|block| block.starts_with(begin));
    let block = found.unwrap_or_else(|| panic!("{page}: no block {begin}"));
    block.split_once('\n').unwrap().1.to_owned()
}

#[tokio::test]
async fn the_commands_of_the_readme_work() {
    let mut shell = Shell::new("readme", &["8080", "8081", "8082", "6390"]);
    shell.serve(&code("README.md", "sh\nNEFFOS_API_KEY="), "8080").await;
    let mut ada = shell.client("8080").await;
    shell.run(&code("README.md", "sh\ncurl -X POST")).await;
    assert_eq!(ada.text().await, ";default;;chat;0;!;hello");

    shell.run(&code("README.md", "sh\ncargo install")).await;
    shell.run(&code("README.md", "sh\nneffos bench")).await;
    assert!(shell.path("report.html").exists());

    shell.run(&code("README.md", "sh\nredis-server")).await;
    talk_across(&shell, "8081", "8082").await;
}

#[tokio::test]
async fn the_quick_start_of_several_servers_works() {
    let mut shell = Shell::new("scale-out", &["8080", "8081", "6390"]);
    shell.run("cargo install --locked --path crates/neffos-cli").await;
    let (start, speak) = (code("docs/scale-out.md", "sh\nexport"), code("docs/scale-out.md", "sh\ncurl"));
    shell.run(&start).await;
    talk_across(&shell, "8080", "8081").await;
    let mut ada = shell.client("8080").await;
    // The user types this into the same terminal, which has the key.
    let export = start.lines().next().unwrap();
    shell.run(&format!("{export}\n{speak}")).await;
    assert_eq!(ada.text().await, ";default;;chat;0;!;hello");
}

/// Waits until a client of another server receives a message. The two servers may still be joining the cluster.
async fn talk_across(shell: &Shell, one: &str, other: &str) {
    shell.until_up(one).await;
    shell.until_up(other).await;
    let (mut ada, mut bob) = (shell.client(one).await, shell.client(other).await);
    let mut ticks = interval(Duration::from_millis(100));
    let speaking = async {
        loop {
            ticks.tick().await;
            ada.emit("chat", "hello").await;
        }
    };
    tokio::select! {
        () = speaking => {}
        heard = bob.text() => assert!(heard.ends_with(";hello"), "{heard}"),
    }
}

#[tokio::test]
async fn the_shown_keys_open_the_api() {
    let keys = code("docs/deploy.md", "text\n# Lines that begin");
    let file = File::with(&keys);
    let program = Program::run(&["--api-keys-file", file.path()], &[]).await;
    let shown: Vec<_> = keys.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(shown.len() > 1);
    for line in shown {
        let key = bearer(line.split_whitespace().nth(1).unwrap());
        let answer = request(program.address, "GET", "/api/stats", &[("authorization", &key)], "").await;
        assert_eq!(answer.status, 200, "{line}");
    }
}

#[tokio::test]
async fn the_balancers_accept_their_settings() {
    let mut shell = Shell::new("scaling", &["8080"]);
    shell.write("nginx.conf", &code("docs/scaling.md", "nginx\n"));
    // HAProxy only checks settings that have a listener.
    let frontend = "frontend clients\n    bind 127.0.0.1:8080\n    default_backend neffos\n";
    shell.write("haproxy.cfg", &(code("docs/scaling.md", "haproxy\n") + frontend));
    shell.run("nginx -t -q -p . -e stderr -c nginx.conf -g 'pid nginx.pid;'").await;
    shell.run("haproxy -c -q -f haproxy.cfg").await;
}

#[tokio::test]
async fn the_metrics_in_alerts_exist() {
    let mut program = Program::start(&["--redis", "redis://127.0.0.1:1"]).await;
    program.line().await;
    let metrics = program.get("/metrics").await.body;
    let alerts = code("docs/scale-out.md", "yaml\n");
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let names: Vec<_> = alerts.split(|letter| !is_name(letter)).filter(|word| word.starts_with("neffos_")).collect();
    assert!(names.len() >= 5);
    for name in names {
        assert!(metrics.contains(&format!("\n{name} ")) || metrics.contains(&format!("\n{name}{{")), "{name}");
    }
}

#[tokio::test]
async fn the_hub_of_its_chapter_relays_by_its_rules_and_takes_calls() {
    let mut shell = Shell::new("hub", &["8080"]);
    shell.run("cargo install --locked --path crates/neffos-cli").await;
    shell.run(&code("docs/hub.md", "sh\nexport")).await;
    shell.until_up("8080").await;
    let mut ada = shell.client("8080").await;
    shell.run(&code("docs/hub.md", "sh\ncurl")).await;
    assert_eq!(ada.text().await, ";default;;chat;0;!;hello");

    let rules = File::with(&code("docs/hub.md", "toml\n"));
    let program = Program::start(&["--config", rules.path()]).await;
    let mut bob = Client::connect(program.address, "/ws").await;
    assert_eq!(bob.ask("status;;_OnNamespaceConnect;0;0;").await, "$1;;;;;;");
    assert!(bob.ask("status;;ping;0;0;hi").await.ends_with(";hi"));
    assert!(bob.ask("status;;chat;0;0;hi").await.starts_with("$1;status;;chat;1;"), "an event without a rule");
}

#[tokio::test]
async fn a_client_of_the_protocol_page_is_answered_as_it_shows() {
    let program = Program::start(&[]).await;
    let mut client = Client::raw(program.address, "/ws").await;
    for line in code("docs/protocol.md", "text\n> M").lines() {
        match line.split_at(2) {
            ("> ", frame) => client.send(frame).await,
            ("< ", "A<id>") => assert!(client.text().await.len() > 1),
            ("< ", frame) => assert_eq!(client.text().await, frame),
            _ => panic!("{line}: sent or received?"),
        }
    }
}
