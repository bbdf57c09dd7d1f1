//! `adit complete -- WORD…`: what the scripts of `adit completions` ask while a person types.

use std::ffi::OsString;

use clap::{Args, CommandFactory};

use super::output;
use crate::cli::{Cli, Global};
use crate::completion;
use crate::exit::Failure;

/// The answer that leaves the completion to the shell: no word of ours begins so.
pub(super) const FILES: &str = "<files>";

/// The line so far.
#[derive(Debug, Args)]
pub struct CompleteArgs {
    /// The words after the program's name, up to the one with the cursor
    #[arg(last = true)]
    words: Vec<OsString>,
}

impl CompleteArgs {
    /// Prints what may come next, one a line.
    ///
    /// # Errors
    /// When stdout is gone.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let typed: Vec<String> = self
            .words
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let next = completion::next(&mut Cli::command(), &typed);
        if next.file {
            return output::print(FILES);
        }
        let mut words = next.words;
        if let (Some(subject), Ok(paths)) = (next.subject, global.paths()) {
            // What the line does not name, the environment may.
            let profile = next.profile.as_ref().or(global.profile.as_ref());
            let names = completion::names(&paths, profile, subject).await;
            let last = typed.last().map(String::as_str).unwrap_or_default();
            words.extend(names.into_iter().filter(|name| name.starts_with(last)));
        }
        if words.is_empty() {
            return Ok(());
        }
        output::print(&words.join("\n"))
    }
}
