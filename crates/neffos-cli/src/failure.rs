//! Why the program ends early, and with which exit code.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Why the program did not do what it was told to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// What the user wrote cannot be used. Exit code 2, as for unknown flags.
    Config(String),
    /// The system did not play along. Exit code 1.
    Run(String),
    /// A server was reached and said no. Exit code 1.
    Refused(String),
    /// No server was reached, or it did not answer in time, or the connection was lost. Exit code 3.
    Unreachable(String),
}

impl Failure {
    pub(crate) fn config(text: impl Display) -> Self {
        Self::Config(text.to_string())
    }

    pub(crate) fn run(text: impl Display) -> Self {
        Self::Run(text.to_string())
    }

    /// What went wrong.
    pub(crate) fn text(&self) -> &str {
        let (Self::Config(text) | Self::Run(text) | Self::Refused(text) | Self::Unreachable(text)) = self;
        text
    }

    /// Tells the user, and says with which code to exit.
    pub(crate) fn report(&self) -> ExitCode {
        let text = self.text();
        // Whoever closed stderr does not want to know.
        writeln!(std::io::stderr(), "error: {text}").ok();
        match self {
            Self::Config(_) => ExitCode::from(2),
            Self::Run(_) | Self::Refused(_) => ExitCode::FAILURE,
            Self::Unreachable(_) => ExitCode::from(3),
        }
    }
}
