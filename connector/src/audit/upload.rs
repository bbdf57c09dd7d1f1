//! Reading the spool in order, for the gateway.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use adit_proto::wire::control::AuditUpload;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::segment;
use super::spool::Spool;

/// How much goes into one upload, in bytes: half of what a frame carries, so that other frames need not wait long.
const BATCH_BYTES: u64 = 512 << 10;

/// A place in the chain from which records are read in order.
#[derive(Debug)]
pub struct Cursor {
    spool: Arc<Mutex<Spool>>,
    written: watch::Receiver<u64>,
    /// The last number that was read.
    after: u64,
    /// The segment in hand: its first number, how far it was read, and the number of the record there.
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    file: File,
    first: u64,
    offset: u64,
    next: u64,
}

/// Records in order, and the number of the last of them.
#[derive(Debug, PartialEq)]
pub struct Batch {
    /// What is sent.
    pub upload: AuditUpload,
    /// The last number in it.
    pub last: u64,
}

impl Cursor {
    pub(super) fn new(spool: Arc<Mutex<Spool>>, written: watch::Receiver<u64>) -> Self {
        let after = spool.lock().stored;
        Self {
            spool,
            written,
            after,
            place: None,
        }
    }

    /// Waits until there is something to read. `false` when the log is closed.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn ready(&mut self) -> bool {
        let after = self.after;
        self.written
            .wait_for(|written| *written > after)
            .await
            .is_ok()
    }

    /// Reads the next records; an empty batch if there are none. Blocks on the disk.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn read(&mut self) -> io::Result<Batch> {
        let mut upload = AuditUpload::default();
        let Some((first, end)) = self.segment() else {
            return Ok(Batch {
                upload,
                last: self.after,
            });
        };
        let mut place = match self.place.take() {
            Some(place) if place.first == first => place,
            _ => Place {
                file: File::open(segment::path(&self.spool.lock().dir, first))?,
                first,
                offset: 0,
                next: first,
            },
        };
        while upload.records.is_empty() && place.offset < end {
            let length = (end - place.offset).min(BATCH_BYTES);
            let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
            place.file.read_exact_at(&mut bytes, place.offset)?;
            let mut left = bytes.as_slice();
            while let Some((record, rest)) = segment::next(left) {
                if place.next > self.after {
                    upload.records.push(record.to_vec());
                    self.after = place.next;
                }
                place.next += 1;
                left = rest;
            }
            let taken = bytes.len() - left.len();
            if taken == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            place.offset += taken as u64;
        }
        self.place = Some(place);
        Ok(Batch {
            upload,
            last: self.after,
        })
    }

    /// The segment that holds the next record, and how much of it is written.
    fn segment(&self) -> Option<(u64, u64)> {
        let spool = self.spool.lock();
        if spool.written <= self.after {
            return None;
        }
        spool
            .segments
            .iter()
            .rev()
            .find(|segment| segment.first <= self.after + 1)
            .map(|segment| (segment.first, segment.bytes))
    }
}
