//! L12: what another process of the same user, or a crash, gets of the agent's memory.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use adit_harness::built;
use adit_harness::scratch::scratch;
use adit_harness::wait;
use rustix::process::{Pid, Signal, kill_process};

/// A user without privileges: root reads whatever it likes.
const SOMEBODY: u32 = 65_534;
const BOUND: Duration = Duration::from_secs(30);

/// A process of that user, which is killed when a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts a program that may write a core file as long as it likes.
    fn start(folder: &Path, words: &[&OsStr]) -> Self {
        let mut command = of_somebody("sh");
        command.args(["-c", "ulimit -c unlimited && exec \"$@\"", "sh"]);
        command.args(words).current_dir(folder).env("HOME", folder);
        command.env("XDG_RUNTIME_DIR", folder);
        Self(command.spawn().unwrap())
    }

    /// Whether another process of the same user may open a file of its in `/proc`.
    fn shows(&self, file: &str) -> bool {
        let open = format!("exec 3< /proc/{}/{file}", self.0.id());
        let mut command = of_somebody("sh");
        command
            .args(["-c", &open])
            .output()
            .unwrap()
            .status
            .success()
    }

    /// Ends it with a signal that writes a core file. Not as a stray pointer does: Rust's own handler of that returns.
    fn crash(mut self) -> ExitStatus {
        let id = Pid::from_child(&self.0);
        kill_process(id, Signal::ABORT).unwrap();
        self.0.wait().unwrap()
    }
}

fn of_somebody(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.uid(SOMEBODY).gid(SOMEBODY).env_clear();
    command.env("PATH", "/usr/bin:/bin");
    command
}

#[test]
fn l12_the_agents_memory_is_nothing_for_other_processes_of_its_user_nor_for_a_core_file() {
    let folder = scratch().unwrap().folder("agent-memory").unwrap();
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&folder, everybody).unwrap();
    // A program that its user cannot read would be no better than one that may not be dumped.
    let adit = built::install("adit", &folder).unwrap();
    let home = folder.join("home");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    let agent = Running::start(&home, &[adit.as_ref(), "agent".as_ref(), "run".as_ref()]);
    let socket = home.join("adit/agent.sock");
    let listens = || Ok(socket.exists().then_some(()));
    wait::until("the agent's socket", BOUND, listens).unwrap();
    let other = Running::start(&home, &["sleep".as_ref(), "60".as_ref()]);
    let sleeps = || {
        let name = std::fs::read_to_string(format!("/proc/{}/comm", other.0.id()))?;
        Ok((name.trim() == "sleep").then_some(()))
    };
    wait::until("the other process", BOUND, sleeps).unwrap();
    for file in ["maps", "environ", "auxv"] {
        assert!(other.shows(file), "{file}: nothing here could be refused");
        assert!(!agent.shows(file), "{file}");
    }
    // Where ptrace is restricted as a whole, this is refused for every process.
    assert!(!agent.shows("mem"));
    let (agent, other) = (agent.crash(), other.crash());
    assert_eq!(agent.signal(), Some(Signal::ABORT.as_raw()));
    assert!(!agent.core_dumped(), "{agent}");
    if !other.core_dumped() {
        eprintln!("this machine writes no core files: that the agent leaves none shows nothing");
    }
}
