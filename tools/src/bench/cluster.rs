//! One measurement between servers: a broker, two servers that share it, and `neffos bench` on both.

use serde_json::{Value, json};
use xtask::{Result, machine};

use super::contestants::Contestant;
use super::measures::{Measure, Mode};
use super::run::{Peak, Stand, arguments};
use crate::broker::Broker;
use crate::broker::Language;

/// The sender is connected to the first server, all receivers to the second. The second server is measured.
///
/// # Errors
/// If a server or the broker does not start.
pub(super) fn measure(stand: &Stand<'_>, measure: &Measure, who: &Contestant, language: Language) -> Result<Value> {
    machine::need_brokers()?;
    let broker = Broker::start(language)?;
    let id = broker.id();
    let connections = Peak::watch(move || Broker::files(id));
    let (url, flag) = (broker.url(), if language == Language::Redis { "--redis" } else { "--nats" });
    let [sends, receives] = [stand.serve(who, &[flag, &url])?, stand.serve(who, &[flag, &url])?];
    let mut arguments = arguments(measure, who, &receives.1, receives.0.id());
    arguments += &format!(" --also {},{id}", sends.0.id());
    if measure.mode == Mode::Broadcast {
        arguments += &format!(" --from {}", who.url(&sends.1));
    }
    let report = stand.bench(&arguments)?;
    let of = |id: u32| report["others"][id.to_string()].clone();
    let (sender, taken) = (of(sends.0.id()), of(id));
    Ok(json!({
        "command": arguments, "report": report, "sender": sender, "broker": taken, "broker_connections": connections.grown(),
    }))
}
