//! Connections for their own sake: that come and go, or stay and do nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::fleet::{Berth, Deaf, Fleet, Reading};
use super::html::Plots;
use super::options::{ConnectArgs, IdleArgs};
use super::process::Process;
use super::report::{Report, Server};
use super::talk::{Part, Script};

/// Connections come, enter the namespace and go.
pub(super) fn churn(args: &ConnectArgs, address: SocketAddr, script: &Script) -> Result<(Report, Plots), String> {
    let process = args.common.pid.map(Process);
    let mut fleet = Fleet::new(address, script.clone()).map_err(|err| err.to_string())?;
    let berth = || Berth { part: Part::default(), reading: Reading::Always };
    let before = process.and_then(Process::usage);
    let start = Instant::now();
    let connections = args.connections.get();
    fleet.open(std::iter::repeat_with(berth).take(connections.min(args.total)), args.common.patience)?;
    let mut came = fleet.len();
    while came < args.total {
        // The oldest goes first.
        fleet.replace(came % connections, &berth())?;
        came += 1;
        while fleet.len() - fleet.settled() >= AT_ONCE.min(connections) {
            if start.elapsed() > args.common.patience {
                return Err(format!("only {came} of {} connections came in in time", args.total));
            }
            fleet.turn(&mut Deaf, TICK)?;
        }
    }
    while fleet.settled() < fleet.len() {
        if start.elapsed() > args.common.patience {
            return Err("the last connections did not come in in time".to_owned());
        }
        fleet.turn(&mut Deaf, TICK)?;
    }
    let took = start.elapsed();
    let after = process.and_then(Process::usage);
    let server =
        before.zip(after).map(|(before, after)| Server::between(before, before, after, args.total as u64, args.total));
    let seconds = took.as_secs_f64();
    Ok((Report { mode: "connect", connections: args.total, seconds, server, ..Report::default() }, Plots::default()))
}

/// Connections do nothing; says what they took.
pub(super) fn hold(args: &IdleArgs, address: SocketAddr, script: &Script) -> Result<(Report, Plots), String> {
    let process = args.common.pid.map(Process);
    let idle = process.and_then(Process::usage);
    let mut fleet = Fleet::new(address, script.clone()).map_err(|err| err.to_string())?;
    let berths = (0..args.connections).map(|nth| Berth {
        part: Part {
            rooms: args.room.iter().map(|room| room.replace('%', &(nth / ROOM).to_string())).collect(),
            ..Part::default()
        },
        reading: Reading::Always,
    });
    fleet.open(berths, args.common.patience)?;
    let start = Instant::now();
    let before = process.and_then(Process::usage);
    while start.elapsed() < args.hold {
        fleet.turn(&mut Deaf, TICK)?;
    }
    let after = process.and_then(Process::usage);
    let server = idle.zip(before).zip(after).map(|((idle, before), after)| {
        let held = super::process::Usage { memory: after.memory, ..before };
        Server::between(idle, held, after, fleet.len() as u64, fleet.len())
    });
    let seconds = args.hold.as_secs_f64();
    Ok((Report { mode: "idle", connections: fleet.len(), seconds, server, ..Report::default() }, Plots::default()))
}

const TICK: Duration = Duration::from_millis(5);
/// How many are on their way at the same time.
const AT_ONCE: usize = 50;
const ROOM: usize = 10;
