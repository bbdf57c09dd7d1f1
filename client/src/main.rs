//! `adit`: parses the command line, sets up logging and the runtime, and ends with the command's exit code.

use std::process::ExitCode;

use adit_client::cli::{Cli, Command};
use adit_client::command::agent::AgentCommand;
use adit_client::exit::{Exit, Failure};
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Threads of the runtime: one for the data path and one beside it. A thread that signs blocks its worker.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            // Nobody reads it: nothing to be done.
            let _ = error.print();
            return exit.into();
        }
    };
    log(matches!(cli.command, Command::Agent(AgentCommand::Run)));
    match run(cli) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            adit_client::agent::client::on_stderr(&format!("adit: {failure}"));
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let serves = matches!(cli.command, Command::Agent(AgentCommand::Run));
    let ended = runtime.block_on(async {
        if serves {
            // It ends by itself when it is interrupted.
            return cli.run().await;
        }
        tokio::select! {
            ended = cli.run() => ended,
            _ = tokio::signal::ctrl_c() => Err(Failure::new("interrupted").exiting(Exit::Interrupted)),
        }
    });
    // A thread that reads stdin must not hold the end up.
    runtime.shutdown_background();
    ended
}

/// Logs to stderr: what `ADIT_LOG` says, else warnings, and for the agent also what it does.
fn log(agent: bool) {
    let usual = if agent { "info" } else { "warn" };
    let filter = EnvFilter::try_from_env("ADIT_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}
