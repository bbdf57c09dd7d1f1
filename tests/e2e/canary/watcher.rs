//! What others can see while something happens: command lines, and what goes over the wire.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use adit_harness::netns::Netns;
use adit_harness::process::Process;
use adit_harness::scratch::scratch;
use anyhow::Result;

/// How often the list of processes is read; whatever waits for a person lives far longer.
const LOOK: Duration = Duration::from_millis(20);
/// How long the capture may take to begin.
const START_BOUND: Duration = Duration::from_secs(30);

/// Reads the command lines and environments of all processes until it is stopped.
pub(super) struct CommandLines {
    over: Arc<AtomicBool>,
    watching: JoinHandle<BTreeSet<Vec<u8>>>,
}

impl CommandLines {
    pub(super) fn watch() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let watching = thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !told.load(Ordering::Relaxed) {
                look(&mut seen);
                thread::sleep(LOOK);
            }
            seen
        });
        Self { over, watching }
    }

    /// What was seen: words end in zero bytes.
    pub(super) fn stop(self) -> BTreeSet<Vec<u8>> {
        self.over.store(true, Ordering::Relaxed);
        self.watching.join().unwrap()
    }
}

fn look(seen: &mut BTreeSet<Vec<u8>>) {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        for file in ["cmdline", "environ"] {
            // Those that are no processes, and those that have ended, have no such file.
            if let Ok(text) = fs::read(entry.path().join(file)) {
                seen.insert(text);
            }
        }
    }
}

/// All packets on the devices of a namespace, its loopback device too.
pub(super) struct Capture {
    process: Process,
    file: PathBuf,
}

impl Capture {
    pub(super) fn start(netns: &Netns) -> Result<Self> {
        let file = scratch()?.folder("capture")?.join("packets");
        let launch = netns.launch("tshark").args(["-i", "any", "-w"]).arg(&file);
        let mut process = launch.spawn()?;
        process.until("packets that are captured", START_BOUND, |_| {
            Ok(file.exists().then_some(()))
        })?;
        Ok(Self { process, file })
    }

    /// The file's bytes.
    pub(super) fn stop(self) -> Result<Vec<u8>> {
        self.process.stop()?;
        Ok(fs::read(self.file)?)
    }
}
