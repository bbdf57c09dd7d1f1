//! `adit-connector run|check|health`.

use std::path::PathBuf;
use std::process::ExitCode;

use adit_connector::clock::{Clock, SystemClock};
use adit_connector::log::Format;
use adit_connector::{app, config, health, log};
use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The connector of Adit: dials out of a cluster, decides on each request, and listens on nothing.
#[derive(Debug, Parser)]
#[command(name = "adit-connector", version)]
struct Arguments {
    /// The configuration.
    #[arg(long, global = true, env = "ADIT_CONFIG", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
    /// How log lines look.
    #[arg(long, global = true, default_value = "text")]
    log_format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs until SIGTERM, then lets streams end for 25 s.
    Run,
    /// Reads everything that the configuration names, and connects to nothing.
    Check,
    /// Says how the running connector is; fails when it hangs or has ended. For an exec probe.
    Health {
        /// Fails also while no gateway knows the connector.
        #[arg(long)]
        ready: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::install(arguments.log_format);
    match perform(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("adit-connector: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(arguments: &Arguments) -> anyhow::Result<()> {
    let config = config::load(&arguments.config).context("the configuration is refused")?;
    match arguments.command {
        Command::Run => run(config),
        Command::Check => {
            app::check(config)?;
            println!("{} is good", arguments.config.display());
            Ok(())
        }
        Command::Health { ready } => {
            let beat = health::probe(&config.state_dir, SystemClock.boot())?;
            println!("{beat}");
            let registered = beat == health::Beat::Registered.as_str();
            anyhow::ensure!(registered || !ready, "no gateway knows the connector");
            Ok(())
        }
    }
}

fn run(config: config::Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let mut signals = tokio::task::JoinSet::new();
        signals.spawn(watch_signals(shutdown.clone()));
        app::run(config, shutdown).await?;
        Ok(())
    })
}

/// The first SIGTERM or SIGINT drains, the second ends at once.
async fn watch_signals(shutdown: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for again in [false, true] {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if again {
            std::process::exit(1);
        }
        shutdown.cancel();
    }
    Ok(())
}
