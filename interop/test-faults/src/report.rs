//! The effects of a fault.

use std::fmt;
use std::time::Duration;

use crate::broker::Kind;
use crate::fault::Fault;

/// The effects of a fault: as a line of text, and as a row of a table.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The broker.
    pub kind: Kind,
    /// The fault.
    pub fault: Fault,
    /// How many deliveries there were to receivers at their sender's own server: all of them arrived.
    pub home: usize,
    /// The longest time of such a delivery, for messages that were broadcast during the fault.
    pub longest_wait: Duration,
    /// How many deliveries there were to receivers at other servers: all of these arrived, too.
    pub elsewhere: usize,
    /// How many messages nodes had missed and received on request.
    pub recovered: u64,
    /// How long after the end of the fault all servers reached each other again.
    pub reached: Duration,
}

impl Report {
    pub(crate) fn new(kind: Kind, fault: Fault) -> Self {
        let none = Duration::ZERO;
        Self { kind, fault, home: 0, longest_wait: none, elsewhere: 0, recovered: 0, reached: none }
    }

    pub(crate) fn note_home(&mut self, count: usize, longest_wait: Duration) {
        self.home += count;
        self.longest_wait = self.longest_wait.max(longest_wait);
    }

    /// The columns of [`Report::row`].
    pub const HEADER: &str = "\
| fault | broker | at home | longest way at home | elsewhere | lost | resent | all reached after the end |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
";

    /// A row of a table.
    pub fn row(&self) -> String {
        let Self { kind, fault, home, longest_wait, elsewhere, recovered, reached } = self;
        format!(
            "| {fault} | {} | {home} | {} ms | {elsewhere} | 0 | {recovered} | {:.2} s |\n",
            kind.name(),
            longest_wait.as_millis(),
            reached.as_secs_f64(),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, fault, home, longest_wait, elsewhere, recovered, reached } = self;
        write!(f, "{}, {fault}: {home} at home, within {longest_wait:.0?}; {elsewhere} elsewhere, ", kind.name())?;
        write!(f, "{recovered} of them resent; none lost; all reached {reached:.2?} after the end")
    }
}
