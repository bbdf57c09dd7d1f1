//! `adit completions SHELL`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::complete::FILES;
use super::output;
use crate::cli::Cli;
use crate::exit::Failure;

/// For bash, version 4 and later. `$1` is the program as it was typed.
const BASH: &str = r#"_adit() {
    local IFS=$'\n' found
    found=$("$1" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if [[ $found == "FILES" ]]; then
        compopt -o default
        COMPREPLY=()
    else
        COMPREPLY=($found)
    fi
}
complete -F _adit adit"#;

/// For zsh, sourced after `compinit` or as a file `_adit` in `fpath`.
const ZSH: &str = r#"#compdef adit
_adit() {
    local found
    found=$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    if [[ $found == "FILES" ]]; then
        _files
    elif [[ -n $found ]]; then
        compadd -- "${(@f)found}"
    fi
}
if [[ $funcstack[1] == _adit ]]; then
    _adit "$@"
else
    compdef _adit adit
fi"#;

/// For fish.
const FISH: &str = r#"function __adit_complete
    set -l typed (commandline -opc)
    set -l last (commandline -ct)
    set -l found ($typed[1] complete -- $typed[2..-1] "$last" 2>/dev/null)
    if test "$found" = "FILES"
        __fish_complete_path "$last"
    else
        string join \n -- $found
    end
end
complete -c adit -f -a '(__adit_complete)'"#;

/// For which shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Source the script when the shell starts, so that it fits the adit that is installed:
  bash  source <(adit completions bash)     in ~/.bashrc
  zsh   source <(adit completions zsh)      in ~/.zshrc, after compinit
  fish  adit completions fish | source      in ~/.config/fish/config.fish
These complete the names of clusters, services and profiles too, while the agent runs.")]
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
        output::print(&script(self.shell))
    }
}

/// The other shells complete commands and options alone.
fn script(shell: Shell) -> String {
    let live = match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
        Shell::Elvish | Shell::PowerShell | _ => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "adit", &mut script);
            return String::from_utf8_lossy(&script).trim_end().to_owned();
        }
    };
    live.replace("FILES", FILES)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What bash would offer where the answer of the program is `answer`.
    fn offered(answer: &str) -> String {
        let script = format!(
            "program() {{ printf '%s' '{answer}'; }}; compopt() {{ printf '%s ' compopt \"$@\"; }}\n{}\n\
             COMP_WORDS=(program ping pr); COMP_CWORD=2; _adit program pr ping; printf '%s,' \"${{COMPREPLY[@]}}\"",
            script(Shell::Bash)
        );
        let output = Command::new("bash")
            .args(["--norc", "-c", &script])
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }

    #[test]
    fn bash_offers_what_the_program_says_and_files_where_it_says_so() {
        assert_eq!(offered("prod\nprobe"), "prod,probe,");
        assert_eq!(offered(""), ",");
        let files = offered(FILES);
        assert!(files.starts_with("compopt -o default ,"), "{files}");
    }

    #[test]
    fn no_script_holds_the_place_of_a_word() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish] {
            let script = script(shell);
            assert!(
                script.contains("adit") && !script.contains("FILES"),
                "{script}"
            );
        }
    }
}
