//! Records of connectors, in order.

use adit_proto::Reason;
use adit_proto::id::ClusterId;
use adit_proto::wire::audit::Record;
use adit_proto::wire::control::{AuditStored, AuditUpload};
use prost::Message;

use super::{Audit, chain_record, hash_of};
use crate::store::StoreError;
use crate::store::audit::{ChainHead, Continuation};

/// Why an upload is not stored.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Not records of one chain.
    #[error("the upload is not records of one chain")]
    Malformed,
    /// The first record does not follow what is stored, or one does not follow the one before it.
    #[error("record {seq} does not follow the chain")]
    Gap {
        /// Its sequence number.
        seq: u64,
    },
    /// The chain is somebody else's.
    #[error("the chain belongs to another writer")]
    Foreign,
    /// The store failed; the connector sends again.
    #[error(transparent)]
    Store(StoreError),
}

impl UploadError {
    /// What the connector is told when it is cut off.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Malformed | Self::Gap { .. } => Reason::RequestMalformed,
            Self::Foreign => Reason::EvidenceInvalid,
            Self::Store(_) => Reason::AuditUnavailable,
        }
    }
}

impl Audit {
    /// Stores what a connector of `cluster` uploaded. What is stored already is confirmed again: the connector may not
    /// have heard it.
    ///
    /// # Errors
    /// [`UploadError`]; nothing was stored then.
    pub async fn upload(
        &self,
        cluster: ClusterId,
        upload: AuditUpload,
    ) -> Result<AuditStored, UploadError> {
        let mut records = Vec::with_capacity(upload.records.len());
        for bytes in upload.records {
            let record = Record::decode(&bytes[..]).map_err(|_| UploadError::Malformed)?;
            records.push((record, bytes));
        }
        let (first, _) = records.first().ok_or(UploadError::Malformed)?;
        let chain: [u8; 16] = first.chain[..]
            .try_into()
            .map_err(|_| UploadError::Malformed)?;
        let owner = cluster.to_string();
        let held = match self.store.chain_head(chain, &owner).await {
            Ok(held) => held,
            Err(StoreError::Conflict { .. }) => return Err(UploadError::Foreign),
            Err(error) => return Err(UploadError::Store(error)),
        };
        let mut reached = held;
        let mut new = Vec::with_capacity(records.len());
        for (record, bytes) in records {
            if record.chain != chain {
                return Err(UploadError::Malformed);
            }
            if record.seq <= held.seq {
                continue;
            }
            if record.seq != reached.seq + 1 || record.prev != reached.hash {
                return Err(UploadError::Gap { seq: record.seq });
            }
            let hash = hash_of(&bytes);
            reached = ChainHead {
                seq: record.seq,
                hash,
            };
            new.push(chain_record(&record, hash, bytes));
        }
        let continuation = Continuation {
            chain,
            owner: &owner,
            after: held,
            records: &new,
        };
        let now = self.clock.now();
        match self.store.continue_chain(continuation, now).await {
            Ok(()) => Ok(AuditStored {
                chain: chain.to_vec(),
                seq: reached.seq,
            }),
            // Another gateway stored meanwhile what this replica sent twice.
            Err(StoreError::Conflict { .. }) => Err(UploadError::Gap { seq: reached.seq }),
            Err(error) => Err(UploadError::Store(error)),
        }
    }
}
