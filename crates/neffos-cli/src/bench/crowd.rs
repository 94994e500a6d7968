//! `neffos bench connect` and `neffos bench idle`: connections that open and close, or stay idle.

use std::time::Instant;

use super::fleet::{Berth, Deaf, Fleet, Reading};
use super::ground::{Bill, Ground, TICK};
use super::html::Plots;
use super::options::{ConnectArgs, IdleArgs};
use super::report::Report;
use super::talk::Part;

/// Opens connections that connect to the namespace and close again.
pub(super) fn churn(ground: &mut Ground, args: &ConnectArgs) -> Result<(Report, Plots), String> {
    let mut fleet = ground.fleet()?;
    let berth = |nth: usize| {
        let rooms = args.room.iter().map(|room| room.replace('%', &nth.to_string()));
        Berth { part: Part { rooms: rooms.collect(), ..Part::default() }, reading: Reading::Always }
    };
    let connections = args.connections.get().min(args.total);
    let usage = ground.start()?;
    let start = Instant::now();
    ground.open(&mut fleet, (0..connections).map(berth))?;
    for came in connections..args.total {
        // The oldest connection is closed first.
        fleet.replace(came % connections, &berth(came))?;
        let under_way = AT_ONCE.min(connections) - 1;
        settle(ground, &mut fleet, under_way, &|| format!("{came} of {} connections came in", args.total), start)?;
    }
    settle(ground, &mut fleet, 0, &|| "the last connections are coming in".to_owned(), start)?;
    let took = start.elapsed();
    let taken = ground.done(usage)?;
    ground.rest(&mut fleet, &mut Deaf)?;
    let Bill { server, others, client } = ground.sum_up(&taken, args.total as u64, connections)?;
    let seconds = took.as_secs_f64();
    let left = fleet.left();
    let report =
        Report { mode: "connect", connections: args.total, left, seconds, server, others, client, ..Report::default() };
    Ok((report, Plots::default()))
}

/// Waits until at most `most` connections are still being set up.
fn settle(
    ground: &mut Ground,
    fleet: &mut Fleet,
    most: usize,
    so_far: &dyn Fn() -> String,
    start: Instant,
) -> Result<(), String> {
    while fleet.coming() > most {
        if start.elapsed() > ground.patience {
            return Err(format!("it took too long: {}", so_far()));
        }
        fleet.turn(&mut Deaf, TICK)?;
        ground.progress.show(so_far);
    }
    Ok(())
}

/// Holds idle connections. Reports their cost, and how many the server closed.
pub(super) fn hold(ground: &mut Ground, args: &IdleArgs) -> Result<(Report, Plots), String> {
    let mut fleet = ground.fleet()?;
    let berths = (0..args.connections).map(|nth| {
        let rooms = args.room.iter().map(|room| room.replace('%', &(nth / ROOM).to_string()));
        Berth { part: Part { rooms: rooms.collect(), ..Part::default() }, reading: Reading::Always }
    });
    ground.open(&mut fleet, berths)?;
    ground.rest(&mut fleet, &mut Deaf)?;
    let usage = ground.start()?;
    let start = Instant::now();
    while start.elapsed() < args.hold {
        fleet.turn(&mut Deaf, TICK.min(args.hold))?;
        ground.progress.show(|| format!("{} of {} connections stay", fleet.settled(), fleet.len()));
    }
    let taken = ground.done(usage)?;
    let Bill { server, others, client } = ground.sum_up(&taken, fleet.len() as u64, fleet.len())?;
    let report = Report {
        mode: "idle",
        connections: fleet.len(),
        left: fleet.left(),
        seconds: args.hold.as_secs_f64(),
        server,
        others,
        client,
        ..Report::default()
    };
    Ok((report, Plots::default()))
}

/// How many connections are set up at the same time.
const AT_ONCE: usize = 50;
const ROOM: usize = 10;
