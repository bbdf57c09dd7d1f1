//! The audit log: a hash chain of typed events in a spool on disk, uploaded in order.
//!
//! ```text
//! record ──▶ Spool (one write under a short lock) ──▶ request goes on
//!              │ written                               ▲
//!              ├──▶ sync thread: one fdatasync for all ─┘ record_synced
//!              └──▶ upload::Cursor ──▶ gateway ──▶ stored: whole segments are removed
//! ```
//!
//! Invariants: an event that [`Audit::record`] accepted is in the page cache before it returns, in the order of the
//! chain; what [`Audit::record_synced`] accepted is on the disk. Nothing is dropped: at the high-water mark no new
//! session is admitted, and when the spool or the disk is full, or a sync failed, nothing is recorded and so no request
//! is served.

mod counts;
pub mod event;
mod open;
mod refusals;
mod segment;
mod spool;
mod sync;
pub mod upload;

use std::path::PathBuf;
use std::sync::Arc;

use adit_proto::key::Fingerprint;
use adit_proto::wire::audit::Actor;
use adit_proto::wire::audit::record::Event;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Clock;

pub use counts::Counted;
use counts::{Counts, Kind};
pub use open::OpenError;
use refusals::Refusals;
pub use segment::BrokenChain;
use spool::Spool;
use sync::Syncer;

/// The audit log cannot be written: whatever needed it is refused with `audit_unavailable`.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The spool is as large as it may be, since no gateway stores it.
    #[error("the connector's audit log is full: no gateway has stored it")]
    Full,
    /// A write failed.
    #[error("the connector's audit log cannot be written")]
    Write(#[source] std::io::Error),
    /// An event is longer than a record may be, or there was no randomness for its id.
    #[error("the event cannot be made a record")]
    Record,
    /// A sync failed once: what the disk holds is not known any more, until a restart reads it.
    #[error(
        "the connector's audit log could not be synced; restart the connector when the disk is well"
    )]
    Unsynced,
}

/// How the log is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log's own directory.
    pub dir: PathBuf,
    /// What it may take on the disk, in bytes.
    pub max_bytes: u64,
    /// The writer's name: the cluster's.
    pub writer: String,
    /// This process.
    pub instance: [u8; 16],
    /// Whether the directory outlives the process.
    pub survives_restart: bool,
}

/// The log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Audit {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    spool: Arc<Mutex<Spool>>,
    clock: Arc<dyn Clock>,
    syncer: Syncer,
    written: watch::Sender<u64>,
    refusals: Refusals,
    counts: Counts,
}

/// The log at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filling {
    /// Records that no gateway has stored.
    pub waiting: u64,
    /// What the spool takes on the disk, in bytes.
    pub bytes: u64,
    /// What it may take.
    pub max_bytes: u64,
}

impl Audit {
    /// Opens the log, repairs a torn tail, and begins this process's part of the chain.
    ///
    /// # Errors
    /// [`OpenError`] when it cannot be written or what it holds is no chain.
    pub fn open(options: &Options, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let spool = Arc::new(Mutex::new(open::open(options)?));
        let (written, _) = watch::channel(spool.lock().written());
        let syncer = Syncer::start(spool.clone()).map_err(OpenError::Thread)?;
        let audit = Self {
            shared: Arc::new(Shared {
                spool,
                clock,
                syncer,
                written,
                refusals: Refusals::new(refusals::RATE),
                counts: Counts::default(),
            }),
        };
        audit
            .record(event::chain_started(options))
            .map_err(OpenError::First)?;
        Ok(audit)
    }

    /// Appends an event that nobody waits for: it is written with the next one that somebody does, or by
    /// [`Self::flush`].
    pub fn note(&self, event: Event) {
        let (now, kind) = (self.shared.clock.wall(), Kind::of(&event));
        let noted = self.shared.spool.lock().append(now, event);
        self.shared.counts.count(kind, noted.is_ok());
        if let Err(error) = noted {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "an audit event was not recorded"
            );
        }
    }

    /// Notes what a device was refused, as long as that is not too often; else it is counted, and the count is noted.
    pub fn note_refusal(&self, device: Fingerprint, actor: &Actor, event: Event) {
        if self
            .shared
            .refusals
            .take(device, actor, Instant::now())
            .is_some()
        {
            self.note(event);
        } else {
            self.shared.counts.count(Kind::of(&event), false);
        }
    }

    /// Writes an event. It survives the process, not a loss of power.
    ///
    /// # Errors
    /// [`AuditError`]; nothing was recorded then.
    pub fn record(&self, event: Event) -> Result<u64, AuditError> {
        let (now, kind) = (self.shared.clock.wall(), Kind::of(&event));
        let recorded = self.shared.spool.lock().record(now, event);
        self.shared.counts.count(kind, recorded.is_ok());
        let seq = recorded?;
        self.shared.written.send_replace(seq);
        Ok(seq)
    }

    /// Writes an event and waits until the disk has it. All that wait at the same time share one sync.
    ///
    /// # Errors
    /// [`AuditError`].
    ///
    /// # Cancel safety
    /// The event is recorded as soon as the future was polled once.
    pub async fn record_synced(&self, event: Event) -> Result<(), AuditError> {
        let seq = self.record(event)?;
        self.synced(seq).await
    }

    /// Writes what was noted.
    ///
    /// # Errors
    /// [`AuditError`]; what was noted waits for the next attempt.
    pub fn flush(&self) -> Result<(), AuditError> {
        for beyond in self.shared.refusals.beyond() {
            self.note(refusals::left_out(beyond));
        }
        let seq = self.shared.spool.lock().flush()?;
        self.shared.written.send_if_modified(|written| {
            let newer = *written < seq;
            *written = seq.max(*written);
            newer
        });
        Ok(())
    }

    /// Writes what was noted and waits until the disk has everything.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn close(&self) -> Result<(), AuditError> {
        self.flush()?;
        let written = self.shared.spool.lock().written();
        self.synced(written).await
    }

    /// Waits until the disk has everything up to record `seq`, which was written.
    ///
    /// # Errors
    /// [`AuditError::Unsynced`].
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn synced(&self, seq: u64) -> Result<(), AuditError> {
        self.shared.syncer.synced(seq).await
    }

    /// Whether new sessions may begin: the spool is below its high-water mark and can be written.
    #[must_use]
    pub fn admits_sessions(&self) -> bool {
        self.shared.spool.lock().admits_sessions()
    }

    /// What was recorded since the process started.
    #[must_use]
    pub fn counted(&self) -> Counted {
        self.shared.counts.read()
    }

    /// How full the log is.
    #[must_use]
    pub fn filling(&self) -> Filling {
        self.shared.spool.lock().filling()
    }

    /// Takes a gateway's word that it stores everything up to `seq`, and removes segments that are done.
    pub fn stored(&self, chain: &[u8], seq: u64) {
        self.shared.spool.lock().stored(chain, seq);
    }

    /// Reads records from the oldest that no gateway has stored.
    #[must_use]
    pub fn cursor(&self) -> upload::Cursor {
        upload::Cursor::new(self.shared.spool.clone(), self.shared.written.subscribe())
    }
}

#[cfg(test)]
mod tests;
