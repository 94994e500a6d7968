//! Metrics about the memory budget. Each exists from the start.

use metrics::{counter, describe_counter, describe_gauge, gauge};
use neffos::MemoryUsage;

use super::as_float;

pub(super) fn describe() {
    describe_gauge!(USED, "Bytes of everything that is queued, of all connections together.");
    describe_gauge!(LIMIT, "Bytes that everything queued may take; 0: no limit.");
    describe_counter!(
        CLOSED,
        "Connections that were closed, since they held most while the memory budget was used up."
    );
    describe_counter!(PAUSES, "Pauses of reading from a connection, since the memory budget was nearly used up.");
    describe_counter!(REFUSED, "Clients and API calls that were refused, since the memory budget had no room.");
}

pub(super) fn update(memory: MemoryUsage) {
    gauge!(USED).set(as_float(memory.used()));
    gauge!(LIMIT).set(as_float(memory.limit().unwrap_or(0)));
    counter!(CLOSED).absolute(memory.closed());
    counter!(PAUSES).absolute(memory.pauses());
    counter!(REFUSED).absolute(memory.refused());
}

const USED: &str = "neffos_memory_used_bytes";
const LIMIT: &str = "neffos_memory_limit_bytes";
const CLOSED: &str = "neffos_memory_closed_total";
const PAUSES: &str = "neffos_memory_pauses_total";
const REFUSED: &str = "neffos_memory_refused_total";
