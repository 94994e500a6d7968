//! The server's processor time and memory, read from outside while it is measured.
//!
//! - `process.rs`: a process on this machine, from `/proc`; `sockets.rs`: the kernel's socket buffers.
//! - `page.rs`: a server on any machine, from its metrics page.

mod page;
mod process;
mod sockets;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::options::Common;
use page::Page;
use process::Process;

/// The source of the numbers.
pub(super) enum Meter {
    Nowhere,
    Process(Process),
    Page(Page),
}

/// The usage at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    /// Processor time in user and kernel mode, of all threads.
    pub(super) processor: Duration,
    /// The part of it in kernel mode, if known. It is less precise.
    pub(super) kernel: Option<Duration>,
    /// Memory in bytes. `Meter::memory` returns its kind.
    pub(super) memory: u64,
    /// The largest resident memory so far.
    pub(super) peak: Option<u64>,
    /// The kernel's buffers of all TCP sockets of this machine, of servers and of clients.
    pub(super) sockets: Option<u64>,
}

/// The kind of memory that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Memory {
    /// Resident memory of the process alone, without memory that maps files.
    Anonymous,
    /// All resident memory.
    Resident,
}

impl Meter {
    /// Fails if the source cannot be read.
    pub(super) fn new(common: &Common) -> Result<Self, String> {
        let meter = match (common.pid, &common.metrics) {
            (Some(pid), _) => Self::Process(Process(pid)),
            (None, Some(url)) => Self::Page(Page::new(url)?),
            (None, None) => Self::Nowhere,
        };
        meter.read()?;
        Ok(meter)
    }

    /// Returns the usage now, or `None` if nothing is measured.
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

/// Other processes that take part, such as a broker.
#[derive(Default)]
pub(super) struct Others(Vec<Process>);

impl Others {
    /// Fails if the usage of a process cannot be read.
    pub(super) fn new(pids: &[u32]) -> Result<Self, String> {
        let others = Self(pids.iter().copied().map(Process).collect());
        others.times()?;
        Ok(others)
    }

    /// Returns the processor time that each process has used so far, by process id.
    pub(super) fn times(&self) -> Result<BTreeMap<u32, Duration>, String> {
        let time = |process: &Process| {
            let usage = process.usage().ok_or_else(|| format!("process {}: cannot be looked at", process.0))?;
            Ok((process.0, usage.processor))
        };
        self.0.iter().map(time).collect()
    }
}

/// Returns the processor time that this process has used so far.
#[cfg(unix)]
pub(super) fn own_time() -> Option<Duration> {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime)).ok()
}

/// Unknown.
#[cfg(not(unix))]
pub(super) fn own_time() -> Option<Duration> {
    None
}
