//! The costs of the server, read from its process or from its metrics page.

use super::{careless, refused, report};
use crate::support::{Program, run_to_end};

#[tokio::test]
async fn memory_is_reported_after_the_setup_and_after_the_server_has_settled() {
    let program = Program::start(&[]).await;
    let flags = ["--receivers", "50", "--messages", "40", "--pid", &program.id().to_string(), "--settle", "20ms"];
    let report = report("broadcast", &program.url(), &flags).await;
    let server = &report["server"];
    assert_eq!(server["memory"], "anonymous");
    assert!(server["processor_us_each"].as_f64().unwrap() > 0.0);
    assert!(server["memory_bytes_each"].is_f64() && server["memory_bytes_each_after"].is_f64());
    assert!(server["memory_peak_bytes"].as_u64() >= server["memory_bytes"].as_u64());
    assert!(server["sockets"]["bytes_after"].is_u64());
}

#[tokio::test]
async fn the_cost_of_the_load_itself_is_reported() {
    let (_server, url) = careless().await;
    let report = report("ask", &url, &["--connections", "2", "--asks", "50"]).await;
    assert!(report["client"]["processor_us_each"].as_f64().unwrap() > 0.0);
    assert!(report.get("server").is_none());
}

#[tokio::test]
async fn the_sender_may_dial_another_address_and_the_cost_of_other_processes_is_reported() {
    let program = Program::start(&[]).await;
    let (pid, name) = (program.id().to_string(), program.url().replace("127.0.0.1", "localhost"));
    let flags = ["--receivers", "20", "--messages", "20", "--from", &name, "--also", &pid];
    let report = report("broadcast", &program.url(), &flags).await;
    assert_eq!(report["deliveries"]["received"], 400);
    assert!(report["others"][&pid]["processor_us_each"].as_f64().unwrap() > 0.0);

    let nowhere = ["broadcast", &program.url(), "--from", "ws://127.0.0.1:1", "--receivers", "1", "--patience", "1s"];
    let nowhere = run_to_end(&[&["bench"], &nowhere[..]].concat(), &[]).await;
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    let nobody = refused(&["broadcast", &program.url(), "--also", "4194305"]).await;
    assert_eq!(nobody.errors, "error: process 4194305: cannot be looked at\n");
}

#[tokio::test]
async fn a_server_on_another_machine_is_measured_by_its_metrics_page() {
    let program = Program::start(&[]).await;
    let page = format!("http://{}/metrics", program.address);
    let flags = ["--receivers", "20", "--messages", "20", "--metrics", &page, "--settle", "1ms"];
    let report = report("broadcast", &program.url(), &flags).await;
    let server = &report["server"];
    assert_eq!(server["memory"], "resident");
    assert!(server["processor_seconds"].as_f64().unwrap() > 0.0);
    assert!(server["memory_bytes"].as_u64().unwrap() > 1_000_000);
}

#[tokio::test]
async fn memory_is_compared_with_a_server_that_has_served_before() {
    let program = Program::start(&[]).await;
    let pid = program.id().to_string();
    let flags = ["--connections", "20", "--hold", "10ms", "--warm-up", "30", "--settle", "10ms", "--pid", &pid];
    let report = report("idle", &program.url(), &flags).await;
    assert_eq!((&report["connections"], &report["left"]), (&20.into(), &0.into()));
    assert!(report["server"]["memory_bytes_each"].is_f64());
    let counted = program.get("/metrics").await.body;
    let queued = counted.lines().find_map(|line| line.strip_prefix("neffos_messages_queued_total ")).unwrap();
    assert!(queued.parse::<u32>().unwrap() >= 50, "{counted}");
}

#[tokio::test]
async fn a_process_or_page_that_cannot_be_read_is_an_error_before_the_measurement() {
    let program = Program::start(&[]).await;
    let nobody = refused(&["idle", &program.url(), "--pid", "4194305"]).await;
    assert_eq!(nobody.errors, "error: process 4194305: cannot be looked at\n");
    let page = |path: &str| format!("http://{}{path}", program.address);
    let other = refused(&["idle", &program.url(), "--metrics", &page("/healthz")]).await;
    assert!(other.errors.contains("it has no process_cpu_seconds_total"), "{other:?}");
    let missing = refused(&["idle", &program.url(), "--metrics", &page("/nowhere")]).await;
    assert!(missing.errors.contains("404"), "{missing:?}");
    let secret = refused(&["idle", &program.url(), "--metrics", "https://127.0.0.1/metrics"]).await;
    assert!(secret.errors.contains("http://HOST:PORT/PATH"), "{secret:?}");
}
