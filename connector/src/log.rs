//! Log lines, on stderr. `ADIT_LOG` filters them as `tracing_subscriber::EnvFilter` does.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Installs the log for this process, once.
pub fn install(format: Format) {
    let filter = EnvFilter::try_from_env("ADIT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let installed = match format {
        Format::Text => lines.try_init(),
        Format::Json => lines.json().try_init(),
    };
    // A second call keeps the first log.
    drop(installed);
}
