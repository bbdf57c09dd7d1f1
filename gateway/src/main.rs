//! `adit-gateway`: the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use adit_gateway::app;
use adit_gateway::check::{Grade, check};
use adit_gateway::clock::{Clock, Entropy};
use adit_gateway::config::Config;
use adit_gateway::init::{Initialised, init, migrate};
use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// The gateway of Adit: ceremonies, inventory, broker and blind relay.
#[derive(Debug, Parser)]
#[command(name = "adit-gateway", version)]
struct Arguments {
    /// The configuration.
    #[arg(
        long,
        global = true,
        default_value = "/etc/adit/gateway.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
    /// Writes logs as JSON.
    #[arg(long, global = true)]
    json_logs: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Makes keys and database, and prints the first invitation until somebody has used it.
    Init,
    /// Serves until SIGTERM.
    Run,
    /// Says what is wrong and what to do about it.
    Check,
    /// Brings the database to this version's tables.
    Migrate,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("ADIT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if arguments.json_logs {
        logs.json().init();
    } else {
        logs.init();
    }
    match start(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("adit-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let config = Config::load(&arguments.config, std::env::vars())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        match arguments.command {
            Command::Init => {
                show(&init(&config, &Entropy::default()).await?);
                Ok(ExitCode::SUCCESS)
            }
            Command::Run => Box::pin(run(config)).await,
            Command::Check => Ok(report(&config).await),
            Command::Migrate => {
                migrate(&config).await?;
                eprintln!("the database has this version's tables");
                Ok(ExitCode::SUCCESS)
            }
        }
    })
}

/// The invitation is the only thing on standard output.
fn show(made: &Initialised) {
    let print = made.keys.gateways.public_key().fingerprint();
    eprintln!("the gateways' key is {print}");
    if let Some(path) = &made.successor {
        eprintln!(
            "take {} away and keep it offline: it is the gateways' next key",
            path.display()
        );
    }
    if let Some(invitation) = &made.invitation {
        eprintln!(
            "the first admin enrols with this invitation (`adit enrol`); show it to nobody else:"
        );
        println!("{}", invitation.expose());
    } else {
        eprintln!(
            "the first admin is enrolled; further people are invited with `adit admin users invite`"
        );
    }
}

async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let mut serving = Box::pin(app::run(
        config,
        Clock::system(),
        Entropy::default(),
        shutdown.clone(),
    ));
    loop {
        tokio::select! {
            served = &mut serving => {
                served?;
                return Ok(ExitCode::SUCCESS);
            }
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if shutdown.is_cancelled() {
            // A second signal does not wait.
            return Ok(ExitCode::FAILURE);
        }
        tracing::info!("the gateway ends");
        shutdown.cancel();
    }
}

async fn report(config: &Config) -> ExitCode {
    let findings = check(config).await;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.iter().any(|finding| finding.grade == Grade::Bad) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
