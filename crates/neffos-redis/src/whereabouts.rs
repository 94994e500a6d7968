//! Queries: the address of the master from sentinels, the masters of a cluster from its nodes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use neffos::LinkError;
use rand::seq::SliceRandom;
use redis::{Cmd, Value};
use tokio::time::Instant;

use crate::address::{Host, Login};
use crate::dial::{Dialler, Purpose};
use crate::end::End;
use crate::slots::Slots;

/// Returns the address of the master of `service`, as the sentinels report it.
pub(crate) async fn master(
    dialler: &Dialler,
    sentinels: &[Host],
    login: &Login,
    service: &str,
) -> Result<Host, LinkError> {
    let mut question = redis::cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
    ask_any(dialler, sentinels, login, &question, |reply, _| match reply {
        Value::Nil => Err(format!("the sentinel does not know the service {service:?}")),
        reply => address_in(&reply).ok_or_else(|| "the sentinel's answer makes no sense".to_owned()),
    })
    .await
}

/// The nodes of a cluster that other nodes have reported. They are asked too from then on, because all nodes in the URL
/// may be gone while the cluster is not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acquaintances(Arc<Mutex<Vec<Host>>>);

impl Acquaintances {
    /// Returns the slots of the cluster, as a node reports them: one of the `named`, or one that was reported last
    /// time.
    pub(crate) async fn slots(&self, dialler: &Dialler, named: &[Host], login: &Login) -> Result<Slots, LinkError> {
        let mut question = redis::cmd("CLUSTER");
        question.arg("SLOTS");
        let slots = ask_any(dialler, &self.and(named), login, &question, |reply, asked| {
            let slots = Slots::read(&reply, asked).ok_or("the node's answer makes no sense")?;
            if slots.masters.is_empty() {
                Err("no node has slots: the cluster is not made yet".to_owned())
            } else {
                Ok(slots)
            }
        })
        .await?;
        *self.lock() = slots.nodes.iter().take(MAX_ACQUAINTANCES).cloned().collect();
        Ok(slots)
    }

    fn and(&self, named: &[Host]) -> Vec<Host> {
        let met = self.lock();
        named.iter().chain(met.iter().filter(|node| !named.contains(node))).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Host>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks all hosts in random order, and returns the first answer that `read` accepts. Each host has its share of the
/// remaining time.
async fn ask_any<T>(
    dialler: &Dialler,
    hosts: &[Host],
    login: &Login,
    question: &Cmd,
    read: impl Fn(Value, &Host) -> Result<T, String>,
) -> Result<T, LinkError> {
    let mut hosts: Vec<_> = hosts.iter().collect();
    hosts.shuffle(&mut rand::rng());
    let end = Instant::now() + PATIENCE;
    let mut faults = Vec::new();
    for (host, left) in hosts.iter().zip((1..=hosts.len()).rev()) {
        let patience = end.saturating_duration_since(Instant::now()) / u32::try_from(left).unwrap_or(u32::MAX);
        let answer = async {
            let connection = dialler.dial(host, login, Purpose::Questions, &End::new()).await?;
            let reply = connection.ask(question).await.map_err(|fault| format!("{host}: {fault}"))?;
            read(reply, host).map_err(|fault| LinkError::from(format!("{host}: {fault}")))
        };
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(fault)) => faults.push(fault.to_string()),
            Err(_) => faults.push(format!("{host}: no answer")),
        }
    }
    Err(faults.join("; ").into())
}

fn address_in(reply: &Value) -> Option<Host> {
    let Value::Array(parts) = reply else { return None };
    let [Value::BulkString(name), Value::BulkString(port)] = &parts[..] else { return None };
    let (name, port) = (std::str::from_utf8(name).ok()?, std::str::from_utf8(port).ok()?);
    Some(Host { name: name.to_owned(), port: port.parse().ok()? })
}

/// The time limit for all of them together. The rest of an exchange's ten seconds is for the link itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// Enough that one of them answers, and few enough that there is time for each.
const MAX_ACQUAINTANCES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn a_sentinel_answers_with_an_address() {
        let reply = Value::Array(vec![bulk("::1"), bulk("6379")]);
        assert_eq!(address_in(&reply).unwrap().to_string(), "[::1]:6379");
        for broken in [Value::Nil, Value::Array(Vec::new()), Value::Array(vec![bulk("a"), bulk("b")])] {
            assert!(address_in(&broken).is_none(), "{broken:?}");
        }
    }
}
