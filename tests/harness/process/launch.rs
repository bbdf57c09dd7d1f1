//! What to start, and how.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Finished, Process};
use crate::scratch::{MARK, scratch};

/// How long [`Launch::run`] waits; every command that the tests run to its end takes seconds.
const RUN_BOUND: Duration = Duration::from_mins(2);

/// What to start, where, and as whom.
#[derive(Debug, Clone)]
pub struct Launch {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    netns: Option<PathBuf>,
    user: Option<String>,
    input: Option<Vec<u8>>,
    terminal: bool,
}

impl Launch {
    /// A launch of `program` without arguments, in the namespace and environment of the test process.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        let name = program
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self {
            name,
            program,
            args: Vec::new(),
            env: BTreeMap::new(),
            netns: None,
            user: None,
            input: None,
            terminal: false,
        }
    }

    /// Another program, started in the same way.
    #[must_use]
    pub fn program(mut self, program: PathBuf) -> Self {
        self.program = program;
        self
    }

    /// Sets the name by which logs and errors call the process.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .insert(key.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Starts the process in the network namespace bound to `path`.
    #[must_use]
    pub fn in_netns(mut self, path: &Path) -> Self {
        self.netns = Some(path.to_owned());
        self
    }

    /// Starts the process as this user of the system, in the group of the same name alone.
    #[must_use]
    pub fn as_user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// Gives these bytes on standard input, which is empty otherwise.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Makes standard input a terminal, on which the input is typed. The process id is then that of `script`, which
    /// holds the terminal; output goes where it always does.
    #[must_use]
    pub fn on_terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// The program and arguments that are really executed: each wrapper replaces itself by the next.
    fn words(&self, folder: &Path) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(netns) = &self.netns {
            let mut net = OsString::from("--net=");
            net.push(netns);
            words.extend(["nsenter".into(), net, "--".into()]);
        }
        if let Some(user) = &self.user {
            let ids = [
                format!("--reuid={user}"),
                format!("--regid={user}"),
                "--clear-groups".to_owned(),
                "--".to_owned(),
            ];
            words.push("setpriv".into());
            words.extend(ids.map(Into::into));
        }
        let mut program: Vec<OsString> = vec![self.program.clone().into()];
        program.extend(self.args.iter().cloned());
        if self.terminal {
            let options = ["script", "--quiet", "--return", "--command"];
            words.extend(options.map(Into::into));
            words.push(redirected(&program, folder));
            words.push("/dev/null".into());
        } else {
            words.extend(program);
        }
        words
    }

    /// Starts the process.
    ///
    /// # Errors
    /// When the program cannot be executed or its log cannot be made. With a namespace or a user the program that
    /// is started first is a wrapper, and a missing program shows as exit code 127.
    pub fn spawn(&self) -> Result<Process> {
        let scratch = scratch()?;
        let folder = scratch.folder(&self.name)?;
        let stdin = match &self.input {
            None => Stdio::null(),
            Some(bytes) => {
                let path = folder.join("stdin");
                fs::write(&path, bytes)?;
                File::open(path)?.into()
            }
        };
        let stdout = File::create(folder.join("stdout"))?;
        // What a terminal shows is the echo of what is typed on it; the program writes to its files itself.
        let stdout = if self.terminal {
            Stdio::null()
        } else {
            stdout.into()
        };
        let words = self.words(&folder);
        let (first, rest) = words.split_first().context("a launch has a program")?;
        let child = Command::new(first)
            .args(rest)
            .envs(&self.env)
            .env(MARK, scratch.owner())
            .stdin(stdin)
            .stdout(stdout)
            .stderr(File::create(folder.join("stderr"))?)
            .spawn()
            .with_context(|| format!("start {}", self.program.display()))?;
        Ok(Process {
            name: self.name.clone(),
            folder,
            child,
        })
    }

    /// The process as the leader of a session of its own, whose terminal its standard input will be.
    pub(crate) fn on_a_terminal(&self) -> Result<Command> {
        let scratch = scratch()?;
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait", "--"])
            .args(self.words(&scratch.folder(&self.name)?))
            .envs(&self.env)
            .env(MARK, scratch.owner());
        Ok(command)
    }

    /// Runs the process to its end.
    ///
    /// # Errors
    /// When it cannot be started, or has not ended after two minutes. An exit code other than 0 is not an error here.
    pub fn run(&self) -> Result<Finished> {
        self.spawn()?.finish(RUN_BOUND)
    }
}

/// A line for a shell that becomes this program, with its output in the files of a process's log.
fn redirected(program: &[OsString], folder: &Path) -> OsString {
    let quoted = |word: &OsStr| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"));
    let words: Vec<_> = program.iter().map(|word| quoted(word)).collect();
    let file = |name: &str| quoted(folder.join(name).as_os_str());
    let (out, err) = (file("stdout"), file("stderr"));
    format!("exec {} >{out} 2>>{err}", words.join(" ")).into()
}
