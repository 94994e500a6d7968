//! Repeated runs, and the forms of the output.

use super::{refused, report};
use crate::support::{File, Program, run_to_end};

#[tokio::test]
async fn each_number_of_receivers_is_measured_and_has_a_column() {
    let program = Program::start(&[]).await;
    let pid = program.id().to_string();
    let (page, url) = (File::with(""), program.url());
    let flags = ["--receivers", "5,10,20", "--messages", "20", "--rate", "200", "--pid", &pid, "--settle", "1ms"];
    let told = report("broadcast", &url, &[&flags[..], &["--html", page.path()]].concat()).await;
    let columns = told["growth"].as_array().unwrap();
    let received: Vec<_> = columns.iter().map(|column| column["deliveries"]["received"].as_u64().unwrap()).collect();
    assert_eq!(received, [100, 200, 400]);
    let page = std::fs::read_to_string(page.path()).unwrap();
    assert!(page.contains("Server processor time per delivery") && page.contains("Latency over time, 20 receivers"));
    let table = run_to_end(&[&["bench", "broadcast", &url], &flags[..]].concat(), &[]).await.output;
    let receivers = table.lines().find(|line| line.starts_with("receivers")).unwrap();
    assert!(receivers.split_whitespace().eq(["receivers", "5", "10", "20"]), "{table}");
}

#[tokio::test]
async fn repeated_runs_are_reported_one_by_one_and_summed_up() {
    let program = Program::start(&[]).await;
    let told = report("broadcast", &program.url(), &["--receivers", "4", "--messages", "10", "--repeat", "3"]).await;
    let runs = told["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    assert_eq!((&told["median"]["deliveries"]["received"], &told["median"]["mode"]), (&40.into(), &"broadcast".into()));
    let seconds = |of: &str| told[of]["seconds"].as_f64().unwrap();
    assert!(seconds("min") <= seconds("median") && seconds("median") <= seconds("max"));
    assert!(runs.iter().any(|run| run["seconds"] == told["median"]["seconds"]));
}

#[tokio::test]
async fn each_plot_can_be_written_to_a_separate_file() {
    let program = Program::start(&[]).await;
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("plots-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let flags = ["--receivers", "5", "--messages", "20", "--rate", "500", "--svg", folder.to_str().unwrap()];
    report("broadcast", &program.url(), &flags).await;
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(read("over-time.svg").starts_with("<svg xmlns=") && read("latency.svg").ends_with("</svg>"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_terminal_shows_the_progress_until_the_end() {
    use crate::support::Screen;

    let program = Program::start(&[]).await;
    let flags = ["bench", "broadcast", &program.url(), "--receivers", "3", "--messages", "40", "--rate", "40"];
    let mut screen = Screen::start(&flags, &[]);
    screen.until_shown(" of 120, ").await;
    assert_eq!(screen.code().await, Some(0));
    let shown = screen.contents();
    assert!(!shown.contains(" of 120, ") && shown.contains("latency p50"), "{shown}");
}

#[tokio::test]
async fn bystanders_without_a_room_are_refused() {
    let ended = refused(&["broadcast", "ws://127.0.0.1:1/ws", "--bystanders", "3"]).await;
    assert!(ended.errors.contains("--room"), "{ended:?}");
}
