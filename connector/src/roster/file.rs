//! The file of statements: appended to, synced, never changed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use adit_proto::frame::{self, FrameError, Limit};
use adit_proto::wire::roster::Statement;
use bytes::BytesMut;

/// Statements on disk, each with its length before it.
#[derive(Debug)]
pub(super) struct StatementFile {
    pub(super) file: File,
    bytes: u64,
    /// Something may lie behind `bytes` that a failed attempt left.
    torn: bool,
}

impl StatementFile {
    /// Opens the file, reads its statements and cuts what a crash left of one at its end. That one comes again.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Statement>)> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        if let Some(directory) = path.parent() {
            // A file that is synced is lost with its name.
            File::open(directory)?.sync_all()?;
        }
        let content = std::fs::read(path)?;
        let total = content.len();
        let mut left = BytesMut::from(content.as_slice());
        let mut statements = Vec::new();
        let mut whole = 0;
        loop {
            match frame::take(&mut left, Limit::PARTY) {
                Ok(Some(statement)) => statements.push(statement),
                Ok(None) => break,
                // Zeros are what a crash leaves of a file that had grown already.
                Err(FrameError::Length { length: 0, .. }) if left.iter().all(|byte| *byte == 0) => {
                    break;
                }
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
            whole = total - left.len();
        }
        if whole < total {
            tracing::warn!(
                torn_bytes = total - whole,
                "the roster's file ended inside a statement"
            );
            file.set_len(whole as u64)?;
            file.sync_data()?;
        }
        let bytes = whole as u64;
        let torn = false;
        Ok((Self { file, bytes, torn }, statements))
    }

    /// Appends statements and syncs: all of them, or none. They may be appended again after an error.
    pub(super) fn append(&mut self, statements: &[Statement]) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        for statement in statements {
            frame::put(statement, Limit::PARTY, &mut bytes)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        if self.torn {
            self.file.set_len(self.bytes)?;
        }
        self.torn = true;
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.torn = false;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}
