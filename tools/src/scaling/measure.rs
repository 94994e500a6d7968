//! Measures the costs of a message for brokers, and for servers that share a broker.

use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use xtask::background::Background;
use xtask::steps::{Steps, command};
use xtask::{Result, machine};

use crate::broker::Broker;
use crate::broker::Language;
use crate::costs;
use crate::host;

/// Measures both brokers, and saves the costs.
///
/// # Errors
/// If a broker or one of our programs cannot be built, installed or measured.
pub(super) fn brokers() -> Result {
    machine::need_brokers()?;
    let mut build = command("cargo build --release -p neffos-cli --bin neffos");
    Steps::default().command(&mut build)?;
    for (part, language) in [("redis", Language::Redis), ("nats", Language::Nats)] {
        let (in_us, out_us) = broker_costs(language, Pace { batches: 10_000, of: 1 })?;
        keep(part, &[("in_us", in_us), ("out_us", out_us)])?;
        let (in_us, out_us) = broker_costs(language, Pace { batches: 1_500, of: MOST })?;
        keep(part, &[("in_many_us", in_us), ("out_many_us", out_us)])?;
        let (said_us, heard_us) = server_costs(language, "--rate 500")?;
        keep(part, &[("said_us", said_us), ("heard_us", heard_us)])?;
        let (said_us, heard_us) = server_costs(language, "")?;
        keep(part, &[("said_many_us", said_us), ("heard_many_us", heard_us)])?;
    }
    Ok(())
}

fn keep(part: &str, numbers: &[(&str, f64)]) -> Result {
    let mut costs = host::stamp();
    for (name, value) in numbers {
        println!("{part}: {name} {value:.2}");
        costs[*name] = json!((value * 100.0).round() / 100.0);
    }
    costs::note(part, &costs)
}

/// The number of messages that are sent together, and of such batches.
#[derive(Debug, Clone, Copy)]
struct Pace {
    batches: usize,
    of: usize,
}

/// Returns the costs in microseconds: for a received message, and for each copy that the broker sends.
fn broker_costs(language: Language, pace: Pace) -> Result<(f64, f64)> {
    let alone = each(language, pace, 0)?;
    let heard = each(language, pace, SUBSCRIBERS)?;
    Ok((alone, (heard - alone) / f64::from(u16::try_from(SUBSCRIBERS)?)))
}

/// Returns the broker's cost of a message with `subscribers` subscribers.
fn each(language: Language, Pace { batches, of }: Pace, subscribers: usize) -> Result<f64> {
    let broker = Broker::start(language)?;
    let streams = (0..subscribers).map(|_| broker.subscribe()).collect::<Result<Vec<_>>>()?;
    let messages = batches * of;
    let before = broker.processor()?;
    let readers: Vec<_> =
        streams.into_iter().map(|stream| thread::spawn(move || take(stream, messages * language.copy()))).collect();
    broker.publish(batches, of)?;
    for reader in readers {
        reader.join().map_err(|_| "a subscriber panicked")??;
    }
    let took = broker.processor()?.saturating_sub(before);
    Ok(took.as_secs_f64() * 1e6 / f64::from(u32::try_from(messages)?))
}

fn take(mut stream: TcpStream, bytes: usize) -> std::io::Result<()> {
    let (mut left, mut buffer) = (bytes, vec![0; 64 * 1024]);
    while left > 0 {
        match stream.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => left = left.saturating_sub(count),
        }
    }
    Ok(())
}

/// Returns the costs of a message in microseconds for two servers that share a broker: for the server that publishes
/// it, and for the server that receives it, without the deliveries. The difference between a run with one receiver and
/// a run with several shows the cost of a delivery.
fn server_costs(language: Language, pace: &str) -> Result<(f64, f64)> {
    let (said, one) = cluster(language, pace, 1)?;
    let (_, several) = cluster(language, pace, 1 + MORE)?;
    let delivery = (several - one) / f64::from(u16::try_from(MORE)?);
    Ok((said, (one - delivery).max(0.0)))
}

/// Returns the cost of each message for the publishing server, and for the server of all receivers.
fn cluster(language: Language, pace: &str, receivers: usize) -> Result<(f64, f64)> {
    let programs = Path::new("target/release");
    let broker = Broker::start(language)?;
    let flag = if language == Language::Redis { "--redis" } else { "--nats" };
    let server = || -> Result<(Background, String)> {
        let mut serve = Command::new(programs.join("neffos"));
        let serve = serve.args(["serve", "--addr", "127.0.0.1:0", "--outbox-messages", "16384", flag, &broker.url()]);
        // One client sends more than the default limits allow.
        let serve = serve.args(["--message-rate", "0", "--byte-rate", "0"]);
        let server = Background::start(serve.stderr(Stdio::null()))?;
        let address = server.line_after("listening on ", START)?;
        Ok((server, format!("ws://{address}/ws")))
    };
    let ((from, sends), (to, receives)) = (server()?, server()?);
    let line = format!(
        "bench broadcast {receives} --from {sends} --pid {} --also {} --json --receivers {receivers} --room one \
         {pace} --messages {SAID} --settle 0s",
        to.id(),
        from.id(),
    );
    let mut neffos = Command::new(programs.join("neffos"));
    let bench = Background::start(neffos.args(line.split_whitespace()).stderr(Stdio::null()))?;
    let report: Value = serde_json::from_str(&format!("{{{}", bench.line_after("{", PATIENCE)?))?;
    if !bench.end(PATIENCE)?.success() {
        return Err(format!("{line}: {}", report["deliveries"]).into());
    }
    let of = |process: &Value| process["processor_seconds"].as_f64().map(|seconds| seconds * 1e6 / f64::from(SAID));
    let said = of(&report["others"][from.id().to_string()]).ok_or("the sender's server was not looked at")?;
    Ok((said, of(&report["server"]).ok_or("the receivers' server was not looked at")?))
}

const SUBSCRIBERS: usize = 10;
/// The most messages that a server passes to its broker at a time.
const MOST: usize = 64;
const SAID: u32 = 5_000;
/// The number of additional receivers in the second run.
const MORE: usize = 10;
const START: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(120);
