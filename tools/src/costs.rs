//! What each thing costs, as `docs/bench/costs.json` has it from what was measured.

use std::fs;

use serde_json::{Value, json};
use xtask::Result;
use xtask::steps::read;

/// Everything, with where and when it was measured.
#[derive(Debug)]
pub(crate) struct Costs {
    pub(crate) node: NodeCosts,
    pub(crate) redis: BrokerCosts,
    pub(crate) nats: BrokerCosts,
    all: Value,
}

/// Of one server by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NodeCosts {
    /// Processor time for a delivery that goes out alone, in microseconds, as all times here.
    pub(crate) delivery_us: f64,
    /// The same in a burst, where many go out together.
    pub(crate) burst_us: f64,
    /// For a question and its answer: a read and a write.
    pub(crate) ask_us: f64,
    /// For a connection that comes.
    pub(crate) connect_us: f64,
    /// Memory of an idle connection.
    pub(crate) memory_kib: f64,
    /// What the kernel takes for it.
    pub(crate) kernel_kib: f64,
}

/// Of a server among others, and of the broker between them: processor time in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BrokerCosts {
    /// For a message that a client says: to read it, to decide, and to publish it.
    pub(crate) said_us: f64,
    /// For a message that comes from another server, without the deliveries that follow.
    pub(crate) heard_us: f64,
    /// The broker's, for a message that comes alone.
    pub(crate) in_us: f64,
    /// The broker's, for each copy of it that goes out.
    pub(crate) out_us: f64,
    /// The same of many that come together.
    pub(crate) said_many_us: f64,
    pub(crate) heard_many_us: f64,
    pub(crate) in_many_us: f64,
    pub(crate) out_many_us: f64,
}

impl Costs {
    /// # Errors
    /// When the file is missing, or lacks something.
    pub(crate) fn read() -> Result<Self> {
        Self::parse(&read(FILE)?)
    }

    /// # Errors
    /// Of [`Costs::read`].
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

    /// What is told of a part beside its numbers.
    pub(crate) fn note(&self, part: &str, name: &str) -> &str {
        self.all[part][name].as_str().unwrap_or("unknown")
    }
}

/// Keeps what was found out about one part.
///
/// # Errors
/// When the file cannot be read or written.
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
    fn costs_are_read_with_what_is_told_of_them() {
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
