//! The errors that end the program, and their exit codes.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// The reason why the program failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The user's input cannot be used. Exit code 2, as for unknown flags.
    Config(String),
    /// The system or the run failed. Exit code 1.
    Run(String),
    /// A server was reached and refused. Exit code 1.
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

    /// Returns the error text.
    pub(crate) fn text(&self) -> &str {
        let (Self::Config(text) | Self::Run(text) | Self::Refused(text) | Self::Unreachable(text)) = self;
        text
    }

    /// Prints the error, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let text = self.text();
        // If stderr is closed, there is no reader to report an error to.
        writeln!(std::io::stderr(), "error: {text}").ok();
        match self {
            Self::Config(_) => ExitCode::from(2),
            Self::Run(_) | Self::Refused(_) => ExitCode::FAILURE,
            Self::Unreachable(_) => ExitCode::from(3),
        }
    }
}
