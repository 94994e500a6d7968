//! What came of a fault.

use std::fmt;
use std::time::Duration;

use crate::broker::Kind;
use crate::fault::Fault;

/// What came of a fault: as a line of text, and as a row of a table.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// With which broker.
    pub kind: Kind,
    /// What went wrong.
    pub fault: Fault,
    /// How many deliveries there were to receivers at their sender's own server: all of them arrived.
    pub home: usize,
    /// How long the longest of these took, of what was said during the fault.
    pub longest_wait: Duration,
    /// Deliveries to receivers at other servers.
    pub elsewhere: usize,
    /// How many of them were lost.
    pub lost: usize,
    /// How many of them might have been, by the accounts of their senders.
    pub allowed: usize,
    /// How long after the end of the fault the last was said that was lost.
    pub lasted: Duration,
    /// How long after the end of the fault all servers had all others again.
    pub reached: Duration,
}

/// What one receiver has lost of one sender.
pub(crate) struct Loss {
    pub(crate) of: usize,
    pub(crate) lost: usize,
    pub(crate) allowed: usize,
    pub(crate) lasted: Duration,
}

impl Report {
    pub(crate) fn new(kind: Kind, fault: Fault) -> Self {
        let none = Duration::ZERO;
        let (longest_wait, lasted, reached) = (none, none, none);
        Self { kind, fault, home: 0, longest_wait, elsewhere: 0, lost: 0, allowed: 0, lasted, reached }
    }

    pub(crate) fn note_home(&mut self, count: usize, longest_wait: Duration) {
        self.home += count;
        self.longest_wait = self.longest_wait.max(longest_wait);
    }

    pub(crate) fn note_elsewhere(&mut self, loss: &Loss) {
        let Loss { of, lost, allowed, lasted } = *loss;
        self.elsewhere += of;
        self.lost += lost;
        self.allowed += allowed;
        self.lasted = self.lasted.max(lasted);
    }

    /// The columns of [`Report::row`].
    pub const HEADER: &str = "\
| fault | broker | lost at home | longest way at home | lost elsewhere | of | at most | last loss after the end | all reached after the end |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
";

    /// A row of a table.
    pub fn row(&self) -> String {
        let Self { kind, fault, longest_wait, elsewhere, lost, allowed, lasted, reached, .. } = self;
        format!(
            "| {fault} | {} | 0 of {} | {} ms | {lost} | {elsewhere} | {allowed} | {:.2} s | {:.2} s |\n",
            kind.name(),
            self.home,
            longest_wait.as_millis(),
            lasted.as_secs_f64(),
            reached.as_secs_f64(),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, fault, home, longest_wait, elsewhere, lost, allowed, lasted, reached } = self;
        write!(f, "{}, {fault}: at home 0 of {home} lost, within {longest_wait:.0?}; ", kind.name())?;
        write!(f, "elsewhere {lost} of {elsewhere} lost (at most {allowed}), the last {lasted:.2?} after the end; ")?;
        write!(f, "all reached {reached:.2?} after the end")
    }
}
