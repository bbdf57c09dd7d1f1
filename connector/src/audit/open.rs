//! Opening the spool: what a crash tore is cut, what does not follow is refused.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::BytesMut;

use super::segment::{self, BrokenChain, End, sync_directory};
use super::spool::{Segment, Spool, remembered};
use super::{AuditError, Options};
use crate::random;

/// Why the audit log cannot be opened. The connector does not start without it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be used.
    #[error("the audit log at {} cannot be opened", path.display())]
    File {
        /// Directory or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A record was altered, removed or put in.
    #[error("the audit log at {} was altered; keep it for whoever looks into this, and begin with an empty directory", path.display())]
    Broken {
        /// The segment.
        path: PathBuf,
        /// Where.
        source: BrokenChain,
    },
    /// Records are gone that a gateway holds: to go on would write other ones under their numbers.
    #[error(
        "the audit log at {} ends at {held}, and a gateway already stored {stored}; keep it, and begin with an empty \
         directory", path.display()
    )]
    Lost {
        /// The directory.
        path: PathBuf,
        /// The last number here.
        held: u64,
        /// The last number there.
        stored: u64,
    },
    /// The system gave no randomness for a new chain.
    #[error(transparent)]
    Randomness(#[from] random::NoRandomness),
    /// The thread that syncs cannot be started.
    #[error("the thread that syncs the audit log cannot be started")]
    Thread(#[source] io::Error),
    /// The first event cannot be written.
    #[error("the audit log cannot be written")]
    First(#[source] AuditError),
}

pub(super) fn open(options: &Options) -> Result<Spool, OpenError> {
    let dir = &options.dir;
    fs::create_dir_all(dir).map_err(|source| at(dir, source))?;
    let mut segments = segments(dir).map_err(|source| at(dir, source))?;
    let mut end = None;
    // A segment that was made and never written has nothing to go on from: the one before it has.
    while let Some(last) = segments.back_mut() {
        let path = segment::path(dir, last.first);
        end = repair(&path, last)?;
        if end.is_some() || segments.len() == 1 {
            break;
        }
        fs::remove_file(&path).map_err(|source| at(&path, source))?;
        segments.pop_back();
    }
    let end = match end {
        Some(end) => end,
        None => End {
            chain: random::bytes()?,
            seq: 0,
            hash: [0; 32],
        },
    };
    if segments.is_empty() {
        segments.push_back(Segment { first: 1, bytes: 0 });
    }
    let stored = remembered(dir);
    if stored > end.seq {
        return Err(OpenError::Lost {
            path: dir.clone(),
            held: end.seq,
            stored,
        });
    }
    let path = segment::path(dir, segments.back().map_or(1, |last| last.first));
    let file = segment::append_to(&path).map_err(|source| at(&path, source))?;
    // Their names too: a file whose records are synced is lost with its name.
    for named in [Some(dir.as_path()), dir.parent()].into_iter().flatten() {
        sync_directory(named).map_err(|source| at(named, source))?;
    }
    Ok(Spool {
        dir: dir.clone(),
        max_bytes: options.max_bytes,
        end,
        written: end.seq,
        stored,
        segments,
        file: Arc::new(file),
        pending: BytesMut::new(),
        failed: false,
    })
}

/// Verifies the newest segment and cuts what a crash tore. Older ones were verified when they were the newest.
fn repair(path: &Path, last: &mut Segment) -> Result<Option<End>, OpenError> {
    let bytes = fs::read(path).map_err(|source| at(path, source))?;
    let read = segment::read(&bytes, last.first).map_err(|source| OpenError::Broken {
        path: path.to_owned(),
        source,
    })?;
    if read.whole < bytes.len() {
        tracing::warn!(
            torn_bytes = bytes.len() - read.whole,
            "the audit log ended inside a record, as a crash leaves it"
        );
        let cut = || -> io::Result<()> {
            let file = segment::append_to(path)?;
            file.set_len(read.whole as u64)?;
            file.sync_data()
        };
        cut().map_err(|source| at(path, source))?;
    }
    last.bytes = read.whole as u64;
    Ok(read.end)
}

fn segments(dir: &Path) -> io::Result<VecDeque<Segment>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if let Some(first) = segment::first_of(&entry.path()) {
            let bytes = entry.metadata()?.len();
            segments.push(Segment { first, bytes });
        }
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments.into())
}

fn at(path: &Path, source: io::Error) -> OpenError {
    OpenError::File {
        path: path.to_owned(),
        source,
    }
}
