//! The spool: segments on disk, the end of the chain, and what waits to be written.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_proto::frame;
use adit_proto::id::EventId;
use adit_proto::time::UnixMillis;
use adit_proto::wire::audit::Record;
use adit_proto::wire::audit::record::Event;
use bytes::BytesMut;

use super::segment::{self, End, PREFIX, RECORD_MAX};
use super::{AuditError, Filling};
use crate::random;

/// A segment is closed at this size, in bytes. What a gateway stored is removed by whole segments.
const SEGMENT_BYTES: u64 = 8 << 20;
/// Tenths of the spool's size above which no new session is admitted.
const HIGH_WATER_TENTHS: u64 = 8;
/// What may wait in memory, in bytes: outcomes of requests that run while the disk is full.
const PENDING_MAX: usize = 4 << 20;

/// One file of the spool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) bytes: u64,
}

#[derive(Debug)]
pub(super) struct Spool {
    pub(super) dir: PathBuf,
    pub(super) max_bytes: u64,
    /// The last record, written or waiting.
    pub(super) end: End,
    /// The last record in the file.
    pub(super) written: u64,
    /// Everything up to here is stored by a gateway.
    pub(super) stored: u64,
    /// Oldest first, never empty; the last one is open.
    pub(super) segments: VecDeque<Segment>,
    pub(super) file: Arc<File>,
    pub(super) pending: BytesMut,
    /// A sync failed: nothing is recorded any more.
    pub(super) failed: bool,
}

impl Spool {
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Puts an event at the end of the chain, in memory.
    pub(super) fn append(&mut self, now: UnixMillis, event: Event) -> Result<u64, AuditError> {
        if self.pending.len() > PENDING_MAX {
            return Err(AuditError::Full);
        }
        let random = random::bytes().map_err(|_| AuditError::Record)?;
        let seq = self.end.seq + 1;
        let record = Record {
            chain: self.end.chain.to_vec(),
            seq,
            prev: if self.end.seq == 0 {
                vec![0; 32]
            } else {
                self.end.hash.to_vec()
            },
            time_ms: now.0,
            event_id: EventId::from_parts(now, random).to_string(),
            event: Some(event),
        };
        let start = self.pending.len();
        frame::put(&record, RECORD_MAX, &mut self.pending).map_err(|_| AuditError::Record)?;
        let bytes = self.pending.get(start + PREFIX..).unwrap_or_default();
        self.end.hash = segment::hash(bytes);
        self.end.seq = seq;
        Ok(seq)
    }

    /// Puts an event at the end of the chain and writes it, with all that waits. All or nothing.
    pub(super) fn record(&mut self, now: UnixMillis, event: Event) -> Result<u64, AuditError> {
        let (end, waiting) = (self.end, self.pending.len());
        let written = self
            .append(now, event)
            .and_then(|seq| self.flush().map(|_| seq));
        if written.is_err() {
            self.end = end;
            self.pending.truncate(waiting);
        }
        written
    }

    /// Writes what waits. On an error the file is as before.
    pub(super) fn flush(&mut self) -> Result<u64, AuditError> {
        if self.failed {
            return Err(AuditError::Unsynced);
        }
        if self.pending.is_empty() {
            return Ok(self.written);
        }
        if self.bytes() + self.pending.len() as u64 > self.max_bytes {
            return Err(AuditError::Full);
        }
        if self
            .segments
            .back()
            .is_some_and(|last| last.bytes >= SEGMENT_BYTES)
        {
            self.rotate().map_err(AuditError::Write)?;
        }
        let before = self.segments.back().map_or(0, |last| last.bytes);
        if let Err(error) = (&*self.file).write_all(&self.pending) {
            // What a torn write left would be followed by the next one: cut it, or stop for good.
            self.failed = self.file.set_len(before).is_err();
            return Err(AuditError::Write(error));
        }
        if let Some(last) = self.segments.back_mut() {
            last.bytes += self.pending.len() as u64;
        }
        self.pending.clear();
        self.written = self.end.seq;
        Ok(self.written)
    }

    /// Closes the open segment and begins the next.
    fn rotate(&mut self) -> io::Result<()> {
        if let Err(error) = self.file.sync_data() {
            // A later sync would succeed and leave out what this one lost.
            self.failed = true;
            return Err(error);
        }
        let first = self.written + 1;
        let file = segment::append_to(&segment::path(&self.dir, first))?;
        segment::sync_directory(&self.dir)?;
        self.file = Arc::new(file);
        self.segments.push_back(Segment { first, bytes: 0 });
        Ok(())
    }

    /// What the segments hold, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    pub(super) fn filling(&self) -> Filling {
        Filling {
            waiting: self.end.seq.saturating_sub(self.stored),
            bytes: self.bytes() + self.pending.len() as u64,
            max_bytes: self.max_bytes,
        }
    }

    pub(super) fn admits_sessions(&self) -> bool {
        !self.failed
            && self.bytes() + (self.pending.len() as u64) < self.max_bytes / 10 * HIGH_WATER_TENTHS
    }

    /// Notes that a gateway stores everything up to `seq`, and removes segments that it has whole.
    pub(super) fn stored(&mut self, chain: &[u8], seq: u64) {
        if chain != self.end.chain || seq <= self.stored || seq > self.written {
            return;
        }
        self.stored = seq;
        if let Err(error) = remember(&self.dir, seq) {
            // Costs a repeated upload after a restart.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the stored position is not kept"
            );
        }
        while let (Some(oldest), Some(second)) = (self.segments.front(), self.segments.get(1)) {
            if second.first > seq + 1 {
                break;
            }
            if let Err(error) = std::fs::remove_file(segment::path(&self.dir, oldest.first)) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a stored segment is not removed"
                );
                break;
            }
            self.segments.pop_front();
        }
    }
}

const STORED: &str = "stored";

/// Keeps how far a gateway has stored.
fn remember(dir: &Path, seq: u64) -> io::Result<()> {
    let new = dir.join("stored.new");
    std::fs::write(&new, seq.to_string())?;
    std::fs::rename(new, dir.join(STORED))
}

/// How far a gateway had stored; 0 if that is not known.
pub(super) fn remembered(dir: &Path) -> u64 {
    std::fs::read_to_string(dir.join(STORED))
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}
