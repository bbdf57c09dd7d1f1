//! A program on a terminal on which a test types, and whose window it resizes.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::process::Launch;
use crate::wait;

/// The program and its terminal. Dropping it hangs up.
#[derive(Debug)]
pub struct Terminal {
    keyboard: File,
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Starts `launch` in a session of its own, on a terminal of 24 rows and 80 columns.
    ///
    /// # Errors
    /// When the system has no terminal, or the program cannot be started.
    pub fn start(launch: &Launch) -> Result<Self> {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&keyboard)?;
        unlockpt(&keyboard)?;
        let path = ptsname(&keyboard, Vec::new())?;
        let screen = || -> Result<Stdio> {
            let opened = open(
                path.as_c_str(),
                OFlags::RDWR | OFlags::NOCTTY,
                Mode::empty(),
            )?;
            Ok(File::from(opened).into())
        };
        let mut command: Command = launch.on_a_terminal()?;
        let child = command
            .stdin(screen()?)
            .stdout(screen()?)
            .stderr(screen()?)
            .spawn()
            .context("start a program on a terminal")?;
        // What holds the other end open in this process would keep the terminal from hanging up.
        drop(command);
        let keyboard = File::from(keyboard);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let this = Self {
            keyboard: keyboard.try_clone()?,
            child,
            shown: shown.clone(),
        };
        this.resize(24, 80)?;
        thread::spawn(move || watch(keyboard, &shown));
        Ok(this)
    }

    /// Types.
    ///
    /// # Errors
    /// When the program is gone.
    pub fn type_in(&mut self, text: &str) -> Result<()> {
        Ok(self.keyboard.write_all(text.as_bytes())?)
    }

    /// Gives the window another size.
    ///
    /// # Errors
    /// When the program is gone.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(tcsetwinsize(&self.keyboard, size)?)
    }

    /// All that was shown so far.
    #[must_use]
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock()).into_owned()
    }

    /// Waits until `text` was shown.
    ///
    /// # Errors
    /// When it was not within `bound`; with what was.
    pub fn until(&self, text: &str, bound: Duration) -> Result<()> {
        let seen = || Ok(self.shown().contains(text).then_some(()));
        wait::until(text, bound, seen).with_context(|| format!("shown: {}", self.shown()))
    }

    /// Waits for the program's end and gives its exit code.
    ///
    /// # Errors
    /// When it has not ended within `bound`, or by a signal.
    pub fn finish(mut self, bound: Duration) -> Result<i32> {
        let child = &mut self.child;
        let ended = wait::until("the program's end", bound, || Ok(child.try_wait()?))
            .with_context(|| format!("shown: {}", String::from_utf8_lossy(&self.shown.lock())))?;
        ended.code().context("ended by a signal")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps what is shown until the terminal hangs up.
fn watch(mut screen: File, shown: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    loop {
        match screen.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => {
                let fresh = buffer.get(..read).unwrap_or_default();
                shown.lock().extend_from_slice(fresh);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // EIO: nobody has it open any more.
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    #[test]
    fn a_shell_sees_what_is_typed_and_the_size_of_its_window() {
        let shell =
            Launch::new("/bin/sh").args(["-c", "read line; echo \"<$line>\"; stty size; exit 7"]);
        let mut terminal = Terminal::start(&shell).unwrap();
        terminal.resize(40, 100).unwrap();
        terminal.type_in("hello\n").unwrap();
        terminal.until("<hello>", BOUND).unwrap();
        terminal.until("40 100", BOUND).unwrap();
        assert_eq!(terminal.finish(BOUND).unwrap(), 7);
    }
}
