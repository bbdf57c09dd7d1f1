//! Child processes of the tests: started in a namespace, logged to files, ended on drop.

mod launch;

pub use launch::Launch;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// How long a process may take to end after SIGTERM before it is killed.
const STOP_BOUND: Duration = Duration::from_secs(10);
/// How much of a log is shown in an error.
const SHOWN_BYTES: usize = 8 * 1024;

/// A process that has ended, and all that it wrote.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The name that its launch had.
    pub name: String,
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output, with what is not UTF-8 replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Finished {
    /// Returns standard output.
    ///
    /// # Errors
    /// When the exit code was not 0, with all that was written.
    pub fn ok(self) -> Result<String> {
        if self.code == Some(0) {
            return Ok(self.stdout);
        }
        bail!(
            "{} ended with code {:?}\nstdout: {}\nstderr: {}",
            self.name,
            self.code,
            self.stdout,
            self.stderr
        )
    }
}

/// A running process. Dropping it asks it to end, and kills it if it does not.
#[derive(Debug)]
pub struct Process {
    name: String,
    folder: PathBuf,
    child: Child,
}

impl Process {
    /// The process id. Wrappers replace themselves, so it is the program's own.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.folder.join("stdout"))
    }

    /// How many bytes it wrote to standard output so far.
    ///
    /// # Errors
    /// When its log is gone.
    pub fn written(&self) -> Result<u64> {
        Ok(std::fs::metadata(self.folder.join("stdout"))?.len())
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.folder.join("stderr"))
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// When the kernel refuses to say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until `probe` gives a value.
    ///
    /// # Errors
    /// When the process ends first, `probe` fails, or `bound` has passed; each with the end of what was written.
    pub fn until<T>(
        &mut self,
        what: &str,
        bound: Duration,
        mut probe: impl FnMut(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let seen = wait::until(what, bound, || {
            // Asked first, so that what a process wrote before it ended still counts.
            let ended = self.child.try_wait()?;
            match (probe(self)?, ended) {
                (Some(value), _) => Ok(Some(value)),
                (None, Some(status)) => Err(anyhow!("{what}: {} ended with {status}", self.name)),
                (None, None) => Ok(None),
            }
        });
        seen.with_context(|| self.shown())
    }

    /// Waits until it has written a line with `text` to standard output or standard error, and returns that line.
    ///
    /// # Errors
    /// As [`Process::until`].
    pub fn until_line(&mut self, text: &str, bound: Duration) -> Result<String> {
        self.until(&format!("a line with {text:?}"), bound, |process| {
            let both = process.stdout() + "\n" + process.stderr().as_str();
            Ok(both
                .lines()
                .find(|line| line.contains(text))
                .map(ToOwned::to_owned))
        })
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        send(self.child.id(), signal).with_context(|| self.name.clone())
    }

    /// Kills it and waits for its end.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end with SIGTERM and waits for that.
    ///
    /// # Errors
    /// When it is still there after ten seconds; it is killed then.
    pub fn stop(mut self) -> Result<Finished> {
        self.signal(Signal::TERM)?;
        self.finish_within(STOP_BOUND)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it is still there after `bound`; it is killed then.
    pub fn finish(mut self, bound: Duration) -> Result<Finished> {
        self.finish_within(bound)
    }

    fn finish_within(&mut self, bound: Duration) -> Result<Finished> {
        let ended = wait::until(&format!("end of {}", self.name), bound, || {
            Ok(self.child.try_wait()?)
        });
        let status = ended.with_context(|| self.shown())?;
        Ok(Finished {
            name: self.name.clone(),
            code: status.code(),
            stdout: self.stdout(),
            stderr: self.stderr(),
        })
    }

    fn shown(&self) -> String {
        format!(
            "{} wrote\nstdout: {}\nstderr: {}",
            self.name,
            end_of(&self.stdout()),
            end_of(&self.stderr())
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Errors mean that it has just ended; there is nobody to tell.
        let _ = self.signal(Signal::TERM);
        if wait::until("end", STOP_BOUND, || Ok(self.child.try_wait()?)).is_err() {
            let _ = self.kill();
        }
    }
}

/// Sends a signal to a process that somebody else has started, an agent for example.
///
/// # Errors
/// When the process is gone.
pub fn send(id: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    let pid = pid.context("a process id")?;
    kill_process(pid, signal).with_context(|| format!("send {signal:?} to process {id}"))
}

fn read(path: &Path) -> String {
    fs::read(path).map_or_else(
        |_| String::new(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

fn end_of(text: &str) -> &str {
    let from = text.len().saturating_sub(SHOWN_BYTES);
    let from = (from..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len());
    text.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(20);

    #[test]
    fn output_and_exit_code_are_kept_apart() {
        let finished = Launch::new("sh")
            .args(["-c", "cat; echo no >&2; exit 7"])
            .input("yes")
            .run()
            .unwrap();
        assert_eq!(
            (
                finished.code,
                finished.stdout.as_str(),
                finished.stderr.as_str()
            ),
            (Some(7), "yes", "no\n")
        );
    }

    #[test]
    fn error_of_a_failed_command_shows_what_it_wrote() {
        let error = Launch::new("sh")
            .args(["-c", "echo hidden cause >&2; exit 1"])
            .run()
            .unwrap()
            .ok()
            .unwrap_err();
        assert!(error.to_string().contains("hidden cause"));
    }

    #[test]
    fn wait_for_a_line_ends_when_the_process_does() {
        let mut process = Launch::new("sh")
            .args(["-c", "echo broken >&2; exit 3"])
            .spawn()
            .unwrap();
        let error = process
            .until_line("ready", Duration::from_mins(1))
            .unwrap_err();
        assert!(format!("{error:#}").contains("broken"), "{error:#}");
    }

    #[test]
    fn dropped_process_is_gone() {
        let mut process = Launch::new("sh")
            .args(["-c", "echo up; exec sleep 1000"])
            .spawn()
            .unwrap();
        process.until_line("up", BOUND).unwrap();
        let path = format!("/proc/{}", process.id());
        assert!(Path::new(&path).exists());
        drop(process);
        assert!(!Path::new(&path).exists());
    }

    #[test]
    fn a_terminal_is_one_and_output_stays_apart() {
        let finished = Launch::new("sh")
            .args([
                "-c",
                "test -t 0 || exit 9; read -r line; echo \"it's $line\"; echo no >&2; exit 7",
            ])
            .on_terminal()
            .input("typed\n")
            .run()
            .unwrap();
        assert_eq!(
            (
                finished.code,
                finished.stdout.as_str(),
                finished.stderr.as_str()
            ),
            (Some(7), "it's typed\n", "no\n")
        );
    }

    #[test]
    fn unprivileged_user_is_not_root() {
        let id = Launch::new("id")
            .arg("-un")
            .as_user("daemon")
            .run()
            .unwrap();
        assert_eq!(id.ok().unwrap(), "daemon\n");
    }
}
