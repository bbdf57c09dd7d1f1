//! `adit man`: the manual pages, made from the command line's declarations. For those who make packages.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};

use super::output;
use crate::cli::Cli;
use crate::exit::Failure;

/// Where to.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for each command into this directory, instead of adit(1) on stdout
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl ManArgs {
    /// Writes the pages.
    ///
    /// # Errors
    /// What the system said.
    pub fn run(self) -> Result<(), Failure> {
        let Some(directory) = self.out else {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(declared()).render(&mut page);
            rendered.map_err(Failure::new)?;
            return output::print(String::from_utf8_lossy(&page).trim_end());
        };
        std::fs::create_dir_all(&directory)
            .and_then(|()| clap_mangen::generate_to(declared(), &directory))
            .map_err(|error| {
                let text = format!(
                    "the pages cannot be written into {}: {error}",
                    directory.display()
                );
                Failure::new(text).repaired_by("name a directory that you may write to")
            })
    }
}

/// The command line without its `help` commands, which would each have a page that says nothing.
fn declared() -> Command {
    fn without_help(command: Command) -> Command {
        command
            .disable_help_subcommand(true)
            .mut_subcommands(without_help)
    }
    without_help(Cli::command())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn pages(command: &Command, name: &str, all: &mut BTreeSet<String>) {
        all.insert(format!("{name}.1"));
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            pages(sub, &format!("{name}-{}", sub.get_name()), all);
        }
    }

    #[test]
    fn each_visible_command_has_a_page_and_no_page_names_a_hidden_one() {
        let scratch = tempfile::tempdir().unwrap();
        let out = Some(scratch.path().join("man1"));
        ManArgs { out }.run().unwrap();
        let mut expected = BTreeSet::new();
        pages(&Cli::command(), "adit", &mut expected);
        let mut found = BTreeSet::new();
        let hidden: Vec<String> = Cli::command()
            .get_subcommands()
            .filter(|sub| sub.is_hide_set())
            .map(|sub| format!("adit\\-{}(1)", sub.get_name()))
            .collect();
        assert!(!hidden.is_empty());
        for entry in std::fs::read_dir(scratch.path().join("man1")).unwrap() {
            let entry = entry.unwrap();
            let page = std::fs::read_to_string(entry.path()).unwrap();
            for name in &hidden {
                assert!(!page.contains(name.as_str()), "{name} in {entry:?}");
            }
            found.insert(entry.file_name().into_string().unwrap());
        }
        assert!(found.contains("adit-profile-remove.1"));
        assert_eq!(found, expected);
        let main = std::fs::read_to_string(scratch.path().join("man1/adit.1")).unwrap();
        assert!(main.contains("adit\\-kube(1)"), "{main}");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        std::fs::write(&file, "").unwrap();
        let out = Some(file.join("man1"));
        let failure = ManArgs { out }.run().unwrap_err();
        assert!(failure.message.contains("file/man1"), "{failure}");
    }
}
