//! The measured costs, in `docs/bench/costs.json`.

use std::fs;

use serde_json::{Value, json};
use xtask::Result;
use xtask::steps::read;

/// All costs, with the place and the time of each measurement.
#[derive(Debug)]
pub(crate) struct Costs {
    pub(crate) node: NodeCosts,
    pub(crate) redis: BrokerCosts,
    pub(crate) nats: BrokerCosts,
    all: Value,
}

/// The costs of a server without a cluster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NodeCosts {
    /// Processor time of a delivery that is written alone, in microseconds, like all times here.
    pub(crate) delivery_us: f64,
    /// The same in a burst, where many are written together.
    pub(crate) burst_us: f64,
    /// Of an ask and its reply: a read and a write.
    pub(crate) ask_us: f64,
    /// Of a new connection.
    pub(crate) connect_us: f64,
    /// Memory of an idle connection.
    pub(crate) memory_kib: f64,
    /// Memory that the kernel holds for it.
    pub(crate) kernel_kib: f64,
}

/// The costs of a node of a cluster, and of its broker: processor time in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BrokerCosts {
    /// For a message from a client: to read it, to decide, and to publish it.
    pub(crate) said_us: f64,
    /// For a message from another node, without its deliveries.
    pub(crate) heard_us: f64,
    /// The broker's, for a message that arrives alone.
    pub(crate) in_us: f64,
    /// The broker's, for each copy that it sends.
    pub(crate) out_us: f64,
    /// The same for messages that arrive together.
    pub(crate) said_many_us: f64,
    pub(crate) heard_many_us: f64,
    pub(crate) in_many_us: f64,
    pub(crate) out_many_us: f64,
}

impl Costs {
    /// # Errors
    /// If the file is missing, or lacks a value.
    pub(crate) fn read() -> Result<Self> {
        Self::parse(&read(FILE)?)
    }

    /// # Errors
    /// Those of [`Costs::read`].
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Self::of(serde_json::from_str(text)?)
    }

    fn of(all: Value) -> Result<Self> {
        let number = |part: &str, name: &str| {
            all[part][name].as_f64().ok_or_else(|| format!("{FILE}: there is no number {part}.{name}"))
        };
        let broker = |part| -> Result<BrokerCosts> {
            let number = |name| number(part, name);
            Ok(BrokerCosts {
                said_us: number("said_us")?,
                heard_us: number("heard_us")?,
                in_us: number("in_us")?,
                out_us: number("out_us")?,
                said_many_us: number("said_many_us")?,
                heard_many_us: number("heard_many_us")?,
                in_many_us: number("in_many_us")?,
                out_many_us: number("out_many_us")?,
            })
        };
        let node = NodeCosts {
            delivery_us: number("node", "delivery_us")?,
            burst_us: number("node", "burst_us")?,
            ask_us: number("node", "ask_us")?,
            connect_us: number("node", "connect_us")?,
            memory_kib: number("node", "memory_kib")?,
            kernel_kib: number("node", "kernel_kib")?,
        };
        Ok(Self { node, redis: broker("redis")?, nats: broker("nats")?, all })
    }

    /// Returns a note about a part: commit, date or processor.
    pub(crate) fn note(&self, part: &str, name: &str) -> &str {
        self.all[part][name].as_str().unwrap_or("unknown")
    }
}

/// Saves the costs of one part.
///
/// # Errors
/// If the file cannot be read or written.
pub(crate) fn note(part: &str, found: &Value) -> Result {
    let mut all: Value = read(FILE).map_or_else(|_| Ok(json!({})), |text| serde_json::from_str(&text))?;
    for (name, value) in found.as_object().into_iter().flatten() {
        all[part][name] = value.clone();
    }
    Ok(fs::write(FILE, format!("{all:#}\n"))?)
}

pub(crate) const FILE: &str = "docs/bench/costs.json";

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn costs() -> Costs {
        Costs::of(all()).unwrap()
    }

    fn all() -> Value {
        let mut broker = json!({ "said_us": 1, "heard_us": 2, "in_us": 3.5, "out_us": 4 });
        (broker["in_many_us"], broker["out_many_us"]) = (json!(0.5), json!(0.25));
        (broker["said_many_us"], broker["heard_many_us"]) = (json!(0.5), json!(1));
        let mut node = json!({ "delivery_us": 7.4, "burst_us": 0.1, "ask_us": 7.7, "connect_us": 60, "commit": "abc" });
        (node["memory_kib"], node["kernel_kib"]) = (json!(1.5), json!(4.6));
        json!({ "node": node, "redis": broker, "nats": broker })
    }

    #[test]
    fn costs_are_read_with_their_notes() {
        let costs = Costs::of(all()).unwrap();
        assert_eq!((costs.node.delivery_us, costs.nats.in_us, costs.note("node", "commit")), (7.4, 3.5, "abc"));
    }

    #[test]
    fn a_number_that_is_missing_is_named() {
        let mut all = all();
        all["redis"]["out_us"] = json!(null);
        assert!(Costs::of(all).unwrap_err().to_string().ends_with("there is no number redis.out_us"));
    }
}
