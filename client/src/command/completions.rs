//! `adit completions SHELL`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::output;
use crate::cli::Cli;
use crate::exit::Failure;

/// For which shell.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    /// Prints the script.
    ///
    /// # Errors
    /// When stdout is gone.
    pub fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "adit", &mut script);
        output::print(String::from_utf8_lossy(&script).trim_end())
    }
}
