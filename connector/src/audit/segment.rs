//! One file of the spool: records, each with its length before it, in the order of the chain.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use adit_proto::frame::{Limit, length};
use adit_proto::label::{AUDIT, Hash, digest};
use adit_proto::wire::audit::Record;
use prost::Message;

/// Bytes of the length before a record.
pub(super) const PREFIX: usize = 4;
/// How long a record may be: what a frame of the control protocol carries, with room for others beside it.
pub(super) const RECORD_MAX: Limit = Limit::STRANGER;

/// The hash of a record, which its successor names.
pub(super) fn hash(record: &[u8]) -> Hash {
    digest(AUDIT, &[record])
}

/// The file of the segment that begins with `first`.
pub(super) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.log"))
}

/// The first number of the segment at `path`.
pub(super) fn first_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".log")?;
    (name.len() == 20).then(|| name.parse().ok()).flatten()
}

/// Opens a segment for appending; it is made if it is not there.
pub(super) fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Makes the names in a directory last.
pub(super) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Takes one whole record off the front; `None` where no whole one is left.
pub(super) fn next(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (prefix, rest) = bytes.split_first_chunk::<PREFIX>()?;
    let length = length(*prefix, RECORD_MAX).ok()?;
    rest.split_at_checked(length)
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) chain: [u8; 16],
    pub(super) seq: u64,
    pub(super) hash: Hash,
}

/// What a segment holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// The last record; `None` in an empty file.
    pub(super) end: Option<End>,
    /// Bytes of whole records. What follows was torn off by a crash.
    pub(super) whole: usize,
}

/// A segment that is no chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record after number {after} does not follow from it")]
pub struct BrokenChain {
    /// The last good number.
    pub after: u64,
}

/// Verifies the records of a segment that begins with `first`.
///
/// A crash can leave a cut record or zeros at the end, and nothing else: anything else is an alteration.
pub(super) fn read(bytes: &[u8], first: u64) -> Result<Read, BrokenChain> {
    let mut left = bytes;
    let mut end: Option<End> = None;
    while let Some((record, rest)) = next(left) {
        let after = end.map_or(first.saturating_sub(1), |end| end.seq);
        let broken = BrokenChain { after };
        let parsed = Record::decode(record).map_err(|_| broken)?;
        let chain = parsed.chain.try_into().map_err(|_| broken)?;
        let follows = match &end {
            None => parsed.seq == first,
            Some(end) => parsed.seq == end.seq + 1 && parsed.prev == end.hash && chain == end.chain,
        };
        if !follows {
            return Err(broken);
        }
        end = Some(End {
            chain,
            seq: parsed.seq,
            hash: hash(record),
        });
        left = rest;
    }
    if !is_torn(left) {
        let after = end.map_or(first.saturating_sub(1), |end| end.seq);
        return Err(BrokenChain { after });
    }
    Ok(Read {
        end,
        whole: bytes.len() - left.len(),
    })
}

/// Whether this is what a crash leaves: nothing, a record cut short, or zeros.
fn is_torn(tail: &[u8]) -> bool {
    let zeros = tail.iter().all(|byte| *byte == 0);
    let cut = match tail.split_first_chunk::<PREFIX>() {
        Some((prefix, rest)) => length(*prefix, RECORD_MAX).is_ok_and(|length| rest.len() < length),
        None => true,
    };
    zeros || cut
}
