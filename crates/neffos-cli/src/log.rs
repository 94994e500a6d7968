//! Log lines to stderr.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFilter, LogFormat};

/// Writes log lines from now on.
pub(crate) fn start(filter: Option<&LogFilter>, format: Option<LogFormat>) {
    let filter = EnvFilter::new(filter.map_or("info", LogFilter::as_str));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        Some(LogFormat::Json) => lines.json().init(),
        Some(LogFormat::Text) | None => lines.with_ansi(io::stderr().is_terminal()).init(),
    }
}
