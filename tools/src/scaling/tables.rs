//! The tables, and the picture. Pure.

use std::fmt::Write;

use super::load::Load;
use super::needs::Needs;
use super::options::EXAMPLE;
use super::traffic::{Traffic, Wiring};
use crate::costs::{BrokerCosts, Costs};
use crate::figures::{Spread, digits, thousands};
use crate::plot::{self, Row};

/// Returns the needs of one load, in each wiring.
pub(super) fn one(load: &Load, costs: &Costs) -> String {
    let Load { servers, connections, rooms, room_size, rate } = load;
    let said = format!(
        "{} servers, {} connections, {} rooms of {}, {} a second in each: {} messages a second, {} deliveries.\n\n",
        count(*servers),
        count(*connections),
        count(*rooms),
        count(*room_size),
        count(*rate),
        count(load.said()),
        count(load.said() * room_size),
    );
    said + &wirings(load, costs)
}

/// Returns a table of the page by its name.
pub(super) fn of_page(name: &str, costs: &Costs) -> Option<String> {
    match name {
        "costs" => Some(inputs(costs)),
        "server" => Some(server(costs)),
        "clusters" => Some(clusters(costs)),
        "wirings" => Some(wirings(&EXAMPLE, costs)),
        _ => None,
    }
}

/// Draws the copies that the broker sends in each wiring.
pub(super) fn picture() -> String {
    let row = |(wiring, title): &(Wiring, &str)| {
        let heard = Traffic::of(&EXAMPLE, *wiring).heard;
        let spread = Spread { median: heard, least: heard, most: heard };
        Row { title: (*title).to_owned(), spread, is_ours: *wiring == Wiring::Rooms }
    };
    plot::bars(
        "100,000 messages a second, 10 servers, a million connections: copies a second",
        &WIRINGS.map(|it| row(&it)),
    )
}

fn inputs(costs: &Costs) -> String {
    let node = &costs.node;
    let mut table = "| | µs | a core does, a second | measured |\n| --- | ---: | ---: | --- |\n".to_owned();
    let mut add = |name: &str, us: f64, part: &str| {
        let source = ["commit", "date", "processor"].map(|note| costs.note(part, note)).join(", ");
        // Writing to a string cannot fail.
        writeln!(table, "| {name} | {} | {} | {source} |", digits(us), digits(1e6 / us)).ok();
    };
    add("a delivery, sent alone", node.delivery_us, "node");
    add("a delivery in a burst", node.burst_us, "node");
    add("a question, with its answer", node.ask_us, "node");
    add("a connection that comes", node.connect_us, "node");
    for (title, part, broker) in brokers(costs) {
        add(&format!("server, {title}: a message that is said, alone"), broker.said_us, part);
        add(&format!("server, {title}: one of many that are said"), broker.said_many_us, part);
        add(&format!("server, {title}: a message that is heard, alone"), broker.heard_us, part);
        add(&format!("server, {title}: one of many that are heard"), broker.heard_many_us, part);
        add(&format!("{title} itself: a message that comes alone"), broker.in_us, part);
        add(&format!("{title} itself: a copy of it, sent"), broker.out_us, part);
        add(&format!("{title} itself: one of 64 messages that come together"), broker.in_many_us, part);
        add(&format!("{title} itself: a copy of one of them"), broker.out_many_us, part);
    }
    table
}

fn server(costs: &Costs) -> String {
    let mut table =
        format!("| connections | our memory | the kernel's | together | {SECONDS}\n|{}\n", " ---: |".repeat(7));
    for connections in [1e4, 1e5, 1e6] {
        let gib = |kib: f64| format!("{} GiB", digits(connections * kib / 1024.0 / 1024.0));
        let (ours, kernel) = (costs.node.memory_kib, costs.node.kernel_kib);
        writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} |",
            count(connections),
            gib(ours),
            gib(kernel),
            gib(ours + kernel),
            digits(connections / PING_SECONDS * costs.node.ask_us / 1e6),
            digits(connections * costs.node.connect_us / 1e6),
            digits(connections * costs.node.delivery_us / 1e6),
        )
        .ok();
    }
    table
}

fn clusters(costs: &Costs) -> String {
    let mut table = format!("| servers | connections | rooms | of | a second in each |{HEAD}{RULE}", RULE = rule(5));
    for load in &EXAMPLES {
        let cells = [load.servers, load.connections, load.rooms, load.room_size, load.rate].map(count).join(" | ");
        writeln!(table, "| {cells} |{}", row(load, Wiring::Rooms, costs)).ok();
    }
    table
}

fn wirings(load: &Load, costs: &Costs) -> String {
    let mut table = format!("| |{HEAD}| --- {RULE}", RULE = rule(0));
    for (wiring, title) in WIRINGS {
        writeln!(table, "| {title} |{}", row(load, wiring, costs)).ok();
    }
    table
}

fn rule(columns: usize) -> String {
    format!("|{}\n", " ---: |".repeat(columns + HEAD.matches('|').count()))
}

/// Returns the cells below `HEAD`.
fn row(load: &Load, wiring: Wiring, costs: &Costs) -> String {
    let traffic = Traffic::of(load, wiring);
    // The costs of servers in Go were not measured.
    let cores = |cores| if wiring == Wiring::Connections { "–".to_owned() } else { range(cores) };
    let [redis, nats] = [&costs.redis, &costs.nats].map(|broker| Needs::of(load, wiring, &costs.node, broker));
    let cells = [
        digits(traffic.heard),
        digits(traffic.heard / load.servers),
        digits(traffic.delivered / load.servers),
        digits(traffic.subscriptions),
        cores(redis.server_cores),
        cores(redis.broker_cores),
        cores(nats.server_cores),
        cores(nats.broker_cores),
        digits(redis.server_gib),
        digits(redis.broker_mbit),
    ];
    cells.map(|cell| format!(" {cell} |")).concat()
}

/// Formats the range from the cost of messages that arrive together to the cost of messages that arrive alone.
fn range([alone, many]: [f64; 2]) -> String {
    format!("{} to {}", digits(many), digits(alone))
}

/// Formats a whole number without decimals.
fn count(number: f64) -> String {
    if number.fract() == 0.0 { thousands(&format!("{number:.0}")) } else { digits(number) }
}

fn brokers(costs: &Costs) -> [(&'static str, &'static str, &BrokerCosts); 2] {
    [("Redis", "redis", &costs.redis), ("NATS", "nats", &costs.nats)]
}

/// The interval of pings on a quiet connection.
const PING_SECONDS: f64 = 25.0;
const SECONDS: &str = "cores for pings | seconds of a core, when all come at once | for a message to all |";
const HEAD: &str = " copies the broker hands out | heard by a server | delivered by a server | subscriptions | with Redis: cores of a server | cores of Redis | with NATS: cores of a server | cores of NATS | GiB of a server | broker's Mbit/s |\n";
const WIRINGS: [(Wiring, &str); 3] = [
    (Wiring::Rooms, "ours"),
    (Wiring::Namespace, "ours with servers in Go"),
    (Wiring::Connections, "servers in Go over Redis"),
];
const EXAMPLES: [Load; 6] = [
    Load { servers: 2.0, connections: 2e4, rooms: 2e3, ..EXAMPLE },
    Load { servers: 4.0, connections: 2e5, rooms: 2e4, ..EXAMPLE },
    EXAMPLE,
    Load { servers: 40.0, ..EXAMPLE },
    Load { rooms: 1e3, room_size: 1e3, ..EXAMPLE },
    Load { rooms: 1.0, room_size: 1e6, rate: 0.1, ..EXAMPLE },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::tests::costs;

    #[test]
    fn each_row_has_a_cell_for_each_head() {
        for name in ["costs", "server", "clusters", "wirings"] {
            let table = of_page(name, &costs()).unwrap();
            let cells: Vec<_> = table.lines().map(|line| line.matches('|').count()).collect();
            assert!(cells.len() > 3 && cells.iter().all(|count| *count == cells[0]), "{table}");
        }
        assert_eq!(of_page("nothing", &costs()), None);
    }

    #[test]
    fn a_load_is_shown_with_its_needs() {
        let text = one(&EXAMPLE, &costs());
        assert!(text.starts_with("10 servers, 1,000,000 connections, 100,000 rooms of 10, 1 a second in each: 100,000 messages a second, 1,000,000 deliveries."), "{text}");
        assert!(text.contains("| servers in Go over Redis | 100,000,000,000 |"), "{text}");
    }

    #[test]
    fn the_picture_has_a_bar_for_each_wiring() {
        assert_eq!(picture().matches("<rect").count(), 1 + WIRINGS.len());
    }
}
