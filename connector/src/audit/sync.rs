//! Group commit: one thread syncs the spool, and whoever waits at that moment shares the sync.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::AuditError;
use super::spool::Spool;

#[derive(Debug)]
pub(super) struct Syncer {
    wanted: Arc<Wanted>,
    synced: watch::Receiver<Synced>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug)]
enum Synced {
    UpTo(u64),
    Failed,
}

#[derive(Debug, Default)]
struct Wanted {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    seq: u64,
    closed: bool,
}

impl Syncer {
    pub(super) fn start(spool: Arc<Mutex<Spool>>) -> io::Result<Self> {
        let wanted = Arc::new(Wanted::default());
        let (sender, synced) = watch::channel(Synced::UpTo(0));
        let thread = std::thread::Builder::new()
            .name("audit-sync".to_owned())
            .spawn({
                let wanted = wanted.clone();
                move || run(&wanted, &spool, &sender)
            })?;
        Ok(Self {
            wanted,
            synced,
            thread: Some(thread),
        })
    }

    /// Waits until the disk holds everything up to `seq`.
    pub(super) async fn synced(&self, seq: u64) -> Result<(), AuditError> {
        {
            let mut state = self.wanted.state.lock();
            state.seq = state.seq.max(seq);
        }
        self.wanted.changed.notify_one();
        let mut synced = self.synced.clone();
        let reached = synced
            .wait_for(|synced| match synced {
                Synced::UpTo(done) => *done >= seq,
                Synced::Failed => true,
            })
            .await;
        match reached.map(|synced| *synced) {
            Ok(Synced::UpTo(_)) => Ok(()),
            Ok(Synced::Failed) | Err(_) => Err(AuditError::Unsynced),
        }
    }
}

fn run(wanted: &Wanted, spool: &Mutex<Spool>, sender: &watch::Sender<Synced>) {
    let mut done = 0;
    loop {
        {
            let mut state = wanted.state.lock();
            while state.seq <= done && !state.closed {
                wanted.changed.wait(&mut state);
            }
            if state.closed {
                return;
            }
        }
        let (file, written) = {
            let spool = spool.lock();
            (spool.file.clone(), spool.written)
        };
        match file.sync_data() {
            Ok(()) => {
                done = written;
                sender.send_replace(Synced::UpTo(done));
            }
            Err(error) => {
                // After a failed fsync the kernel may have dropped the pages: nothing later makes up for it.
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the audit log cannot be synced"
                );
                spool.lock().failed = true;
                sender.send_replace(Synced::Failed);
                return;
            }
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.wanted.state.lock().closed = true;
        self.wanted.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It can only have ended; a panic in it was reported by the panic hook.
            let _ = thread.join();
        }
    }
}
