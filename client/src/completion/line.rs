//! A command line that is not finished, read by the declarations of clap.

use clap::{Arg, Command, ValueHint};

use crate::profile::ProfileName;

/// Of what the names are known only while commands run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Clusters that the person may use.
    Clusters,
    /// Services that the person may use.
    Services,
    /// Profiles of this machine.
    Profiles,
}

/// What may stand where the cursor is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// Words that are known from the declarations.
    pub words: Vec<String>,
    /// Names that have to be asked for.
    pub subject: Option<Subject>,
    /// Whether it is a file.
    pub file: bool,
    /// The profile that the line names.
    pub profile: Option<ProfileName>,
}

/// Reads `typed`, the words after the program's name up to the one with the cursor, which may be empty.
#[must_use]
pub fn next(root: &mut Command, typed: &[String]) -> Next {
    root.build();
    // bash makes a word of the sign between an option and its value.
    let typed: Vec<&str> = typed
        .iter()
        .map(String::as_str)
        .filter(|it| *it != "=")
        .collect();
    let (last, before) = typed
        .split_last()
        .map_or(("", &[][..]), |(last, rest)| (*last, rest));
    let mut reader = Reader::new(root);
    for word in before {
        reader.read(word);
    }
    let mut next = reader.next(last);
    next.words.retain(|word| word.starts_with(last));
    next.profile = reader.profile;
    next
}

struct Reader<'a> {
    command: &'a Command,
    positionals: usize,
    waiting: Option<&'a Arg>,
    escaped: bool,
    profile: Option<ProfileName>,
}

impl<'a> Reader<'a> {
    fn new(command: &'a Command) -> Self {
        Self {
            command,
            positionals: 0,
            waiting: None,
            escaped: false,
            profile: None,
        }
    }

    fn read(&mut self, word: &str) {
        if let Some(option) = self.waiting.take() {
            self.note(option, word);
        } else if self.escaped {
            self.positionals += 1;
        } else if word == "--" {
            self.escaped = true;
        } else if let Some(long) = word.strip_prefix("--") {
            let (name, value) = long
                .split_once('=')
                .map_or((long, None), |(name, value)| (name, Some(value)));
            let option = self.option(|arg| arg.get_long() == Some(name));
            match (option, value) {
                (Some(option), Some(value)) => self.note(option, value),
                (option, _) => self.waiting = option,
            }
        } else if word.len() == 2 && word.starts_with('-') {
            self.waiting = self.option(|arg| word.ends_with(|it| arg.get_short() == Some(it)));
        } else if let Some(command) = self.command.find_subcommand(word) {
            self.command = command;
            self.positionals = 0;
        } else if !word.starts_with('-') {
            self.positionals += 1;
        }
    }

    /// The option that takes a value and meets `is_it`.
    fn option(&self, is_it: impl Fn(&Arg) -> bool) -> Option<&'a Arg> {
        let mut options = self.command.get_arguments();
        options.find(|arg| is_it(arg) && arg.get_action().takes_values())
    }

    fn note(&mut self, option: &Arg, value: &str) {
        if option.get_id() == "profile" {
            self.profile = value.parse().ok();
        }
    }

    fn next(&self, last: &str) -> Next {
        if let Some(option) = self.waiting {
            return self.value_of(option);
        }
        if last.starts_with('-') && !self.escaped {
            let options = self
                .command
                .get_arguments()
                .filter(|arg| !arg.is_hide_set());
            let longs = options.filter_map(|arg| Some(format!("--{}", arg.get_long()?)));
            return Next {
                words: longs.collect(),
                ..Next::default()
            };
        }
        let commands = self
            .command
            .get_subcommands()
            .filter(|it| !it.is_hide_set());
        let mut next = self
            .positional()
            .map(|arg| self.value_of(arg))
            .unwrap_or_default();
        next.words
            .extend(commands.map(|it| it.get_name().to_owned()));
        next
    }

    /// The positional that comes next; the last one may take many.
    fn positional(&self) -> Option<&'a Arg> {
        let all: Vec<_> = self.command.get_positionals().collect();
        let many = |arg: &&&Arg| arg.get_num_args().is_some_and(|it| it.max_values() > 1);
        let at = all
            .get(self.positionals)
            .or_else(|| all.last().filter(many));
        at.copied().filter(|arg| !arg.is_hide_set())
    }

    fn value_of(&self, arg: &Arg) -> Next {
        let subject = match (self.command.get_name(), arg.get_id().as_str()) {
            (_, "profile") | ("use" | "remove", "name") => Some(Subject::Profiles),
            ("ping" | "kube" | "explain", "cluster" | "clusters") => Some(Subject::Clusters),
            ("forward" | "connect" | "open", "service" | "services") => Some(Subject::Services),
            _ => None,
        };
        let values = arg.get_possible_values();
        let values = values.iter().filter(|it| !it.is_hide_set());
        Next {
            words: values.map(|it| it.get_name().to_owned()).collect(),
            subject,
            file: matches!(
                arg.get_value_hint(),
                ValueHint::AnyPath | ValueHint::FilePath
            ),
            profile: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn at(line: &str) -> Next {
        let typed: Vec<String> = line.split(' ').map(str::to_owned).collect();
        next(&mut Cli::command(), &typed)
    }

    #[test]
    fn commands_and_options_are_completed_and_hidden_ones_are_not() {
        assert_eq!(at("pin").words, ["ping"]);
        let all = at("").words;
        assert!(all.contains(&"clusters".to_owned()) && all.contains(&"help".to_owned()));
        assert!(
            !all.iter()
                .any(|word| word == "credential" || word == "complete")
        );
        assert_eq!(at("agent st").words, ["stop", "status"]);
        assert_eq!(at("kube --mo").words, ["--move-port"]);
        assert_eq!(at("ping --prof").words, ["--profile"], "global options too");
        assert_eq!(at("completions ba").words, ["bash"]);
    }

    #[test]
    fn live_names_stand_where_they_are_typed() {
        for line in [
            "ping ",
            "ping pr",
            "ping -c 3 ",
            "kube ",
            "kube one two ",
            "kube --move-port ",
            "explain --cluster ",
        ] {
            assert_eq!(at(line).subject, Some(Subject::Clusters), "{line}");
        }
        for line in [
            "forward ",
            "forward a/b c/",
            "connect ",
            "connect -- ",
            "open ",
        ] {
            assert_eq!(at(line).subject, Some(Subject::Services), "{line}");
        }
        for line in [
            "profile use ",
            "profile remove --yes o",
            "--profile ",
            "ping --profile = o",
        ] {
            assert_eq!(at(line).subject, Some(Subject::Profiles), "{line}");
        }
        for line in [
            "ping prod ",
            "connect a/b ",
            "ping -",
            "ping --count ",
            "status ",
        ] {
            assert_eq!(at(line).subject, None, "{line}");
        }
    }

    #[test]
    fn the_profile_of_the_line_is_the_one_that_is_asked() {
        let two = Some("two".parse().unwrap());
        assert_eq!(at("--profile two ping ").profile, two);
        assert_eq!(at("ping --profile=two ").profile, two);
        assert_eq!(at("ping --profile = two ").profile, two);
        assert_eq!(at("ping ").profile, None);
    }

    #[test]
    fn a_file_is_left_to_the_shell() {
        assert!(at("kube --kubeconfig ").file);
        assert!(!at("kube ").file);
    }
}
