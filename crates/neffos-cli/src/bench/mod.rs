//! `neffos bench`: measures a server from outside.
//!
//! - `options.rs`: what is measured, and how much of it.
//! - `broadcast.rs`, `ask.rs`, `crowd.rs`: the modes.
//! - `fleet.rs`: thousands of connections on one thread; `talk.rs`: how one of them talks its way in; `wire.rs`: the bytes.
//! - `ledger.rs`: what became of every delivery; `timeline.rs`: how latency went; `process.rs`: what the server took.
//! - `report.rs`: all of that, for people and for machines; `html.rs`: with plots.

mod ask;
mod broadcast;
mod crowd;
mod fleet;
mod html;
mod ledger;
mod options;
mod process;
mod report;
mod talk;
mod timeline;
mod wire;

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};

use http::Uri;

pub(crate) use options::BenchArgs;
use options::{Common, Mode};
use report::Report;
use talk::Script;

use crate::failure::Failure;

/// Measures, and prints what was found. Fails when something was lost that was promised.
pub(crate) fn start(args: &BenchArgs) -> Result<(), Failure> {
    let common = args.mode.common();
    let (address, script) = target(common).map_err(Failure::config)?;
    let measured = match &args.mode {
        Mode::Broadcast(args) => broadcast::run(args, address, &script),
        Mode::Ask(args) => ask::run(args, address, &script),
        Mode::Connect(args) => crowd::churn(args, address, &script),
        Mode::Idle(args) => crowd::hold(args, address, &script),
    };
    let (report, plots) = measured.map_err(Failure::run)?;
    print(&report, common);
    if let Some(path) = &common.html {
        let command = std::env::args().collect::<Vec<_>>().join(" ");
        let written = std::fs::write(path, html::page(&report, &plots, &command));
        written.map_err(|err| Failure::run(format!("{}: {err}", path.display())))?;
    }
    match report.deliveries.is_none_or(|sums| sums.is_clean()) {
        true => Ok(()),
        false => Err(Failure::run("not everything that was sent came once, and in order")),
    }
}

fn print(report: &Report, common: &Common) {
    let text = if common.json { report.to_json() + "\n" } else { report.to_table() };
    // Whoever closed stdout does not want to know.
    std::io::stdout().write_all(text.as_bytes()).ok();
}

/// Where to dial, and what to say there.
fn target(common: &Common) -> Result<(SocketAddr, Script), String> {
    let fault = |text: &str| format!("{}: {text}", common.url);
    let uri: Uri = common.url.parse().map_err(|err| fault(&format!("{err}")))?;
    if uri.scheme_str() != Some("ws") {
        return Err(fault("write it as ws://HOST:PORT/PATH; TLS is not measured"));
    }
    let authority = uri.authority().ok_or_else(|| fault("there is no host"))?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let mut addresses =
        (host, authority.port_u16().unwrap_or(80)).to_socket_addrs().map_err(|err| fault(&err.to_string()))?;
    let script = Script {
        authority: authority.as_str().to_owned(),
        path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        namespace: common.namespace.clone(),
    };
    Ok((addresses.next().ok_or_else(|| fault("the host has no address"))?, script))
}
