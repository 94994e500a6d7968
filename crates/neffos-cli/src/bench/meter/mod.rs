//! What the server takes, read from outside while it is measured.
//!
//! - `process.rs`: a process on this machine, as Linux tells it; `sockets.rs`: what the kernel keeps for connections.
//! - `page.rs`: a server elsewhere, by its page of metrics.

mod page;
mod process;
mod sockets;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::options::Common;
use page::Page;
use process::Process;

/// Where it is read.
pub(super) enum Meter {
    Nowhere,
    Process(Process),
    Page(Page),
}

/// At one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    /// In user and kernel mode, all threads together.
    pub(super) processor: Duration,
    /// How much of it in kernel mode, where that is told: less precise.
    pub(super) kernel: Option<Duration>,
    /// In bytes; of what kind, `Meter::memory` says.
    pub(super) memory: u64,
    /// The most that was resident at any time.
    pub(super) peak: Option<u64>,
    /// What the kernel holds in buffers of this machine's TCP sockets, of servers and of clients.
    pub(super) sockets: Option<u64>,
}

/// What memory is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Memory {
    /// Resident and of the process alone, not shared with files.
    Anonymous,
    /// All that is resident.
    Resident,
}

impl Meter {
    /// Fails when there is nothing to be read where it should be.
    pub(super) fn new(common: &Common) -> Result<Self, String> {
        let meter = match (common.pid, &common.metrics) {
            (Some(pid), _) => Self::Process(Process(pid)),
            (None, Some(url)) => Self::Page(Page::new(url)?),
            (None, None) => Self::Nowhere,
        };
        meter.read()?;
        Ok(meter)
    }

    /// None when there is no meter.
    pub(super) fn read(&self) -> Result<Option<Usage>, String> {
        match self {
            Self::Nowhere => Ok(None),
            Self::Process(process) => {
                let usage = process.usage().ok_or_else(|| format!("process {}: cannot be looked at", process.0))?;
                Ok(Some(Usage { sockets: sockets::memory(), ..usage }))
            }
            Self::Page(page) => page.usage().map(Some),
        }
    }

    pub(super) fn memory(&self) -> Memory {
        match self {
            Self::Process(_) => Memory::Anonymous,
            Self::Page(_) | Self::Nowhere => Memory::Resident,
        }
    }
}

/// Processes that take part beside the server.
#[derive(Default)]
pub(super) struct Others(Vec<Process>);

impl Others {
    /// Fails when one cannot be looked at.
    pub(super) fn new(pids: &[u32]) -> Result<Self, String> {
        let others = Self(pids.iter().copied().map(Process).collect());
        others.times()?;
        Ok(others)
    }

    /// What each has used of processors so far, by its number.
    pub(super) fn times(&self) -> Result<BTreeMap<u32, Duration>, String> {
        let time = |process: &Process| {
            let usage = process.usage().ok_or_else(|| format!("process {}: cannot be looked at", process.0))?;
            Ok((process.0, usage.processor))
        };
        self.0.iter().map(time).collect()
    }
}

/// What this process has used of processors so far.
#[cfg(unix)]
pub(super) fn own_time() -> Option<Duration> {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime)).ok()
}

/// Unknown.
#[cfg(not(unix))]
pub(super) fn own_time() -> Option<Duration> {
    None
}
