//! Audit at the gateway: its own hash chain, and the chains that connectors upload.
//!
//! A record is accepted only as the next one of its chain, and only from the chain's owner. Records are kept as their
//! writers hashed them.

mod refusals;
mod upload;

use std::sync::Arc;

use adit_proto::id::EventId;
use adit_proto::label::{AUDIT, Hash, digest};
use adit_proto::time::UnixMillis;
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::audit::{ChainStarted, Record};
use prost::Message;
use tokio::sync::Mutex;

use refusals::Refusals;
pub use upload::UploadError;

use crate::clock::{Clock, Entropy};
use crate::store::audit::{ChainHead, ChainRecord, Continuation};
use crate::store::{Store, StoreError};

/// Owner of the gateways' own chains. No cluster's id looks like it.
const OWNER: &str = "gateway";

/// The gateway's log.
#[derive(Debug)]
pub struct Audit {
    store: Store,
    clock: Clock,
    entropy: Entropy,
    chain: [u8; 16],
    /// Where our chain stands. Held while a record is stored, so that records get their numbers in order.
    head: Mutex<ChainHead>,
    refusals: Refusals,
}

impl Audit {
    /// Goes on with the chain of this gateway.
    ///
    /// # Errors
    /// As every call of the store; [`StoreError::Conflict`] if the chain belongs to a cluster.
    pub async fn open(
        store: Store,
        clock: Clock,
        entropy: Entropy,
        chain: [u8; 16],
    ) -> Result<Arc<Self>, StoreError> {
        let head = Mutex::new(store.chain_head(chain, OWNER).await?);
        let audit = Arc::new(Self {
            store,
            clock,
            entropy,
            chain,
            head,
            refusals: Refusals::new(refusals::RATE),
        });
        let started = ChainStarted {
            writer: OWNER.to_owned(),
            instance: audit.entropy.bytes::<16>().to_vec(),
            survives_restart: true,
        };
        audit.record(Event::ChainStarted(started)).await?;
        Ok(audit)
    }

    /// Stores an event; it is on disk when this returns.
    ///
    /// # Errors
    /// As every call of the store; nothing was stored then.
    ///
    /// # Cancel safety
    /// Dropped while it stores, the event may be stored, and the chain goes on all the same.
    pub async fn record(&self, event: Event) -> Result<(), StoreError> {
        let mut head = self.head.lock().await;
        let stored = self.store_after(*head, &event).await;
        let stored = match stored {
            // A call that was dropped half-way, or a second process with our chain.
            Err(StoreError::Conflict { .. }) => {
                let moved = self.store.chain_head(self.chain, OWNER).await?;
                self.store_after(moved, &event).await
            }
            other => other,
        };
        *head = stored?;
        Ok(())
    }

    /// Stores an event that does not decide whether something goes on. A failure is logged.
    pub async fn note(&self, event: Event) {
        if let Err(error) = self.record(event).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "an audit event of the gateway was not stored");
        }
    }

    async fn store_after(&self, after: ChainHead, event: &Event) -> Result<ChainHead, StoreError> {
        let now = self.clock.now();
        let record = Record {
            chain: self.chain.to_vec(),
            seq: after.seq + 1,
            prev: after.hash.to_vec(),
            time_ms: now.0,
            event_id: EventId::from_parts(now, self.entropy.bytes()).to_string(),
            event: Some(event.clone()),
        };
        let bytes = record.encode_to_vec();
        let hash = hash_of(&bytes);
        let records = [chain_record(&record, hash, bytes)];
        let continuation = Continuation {
            chain: self.chain,
            owner: OWNER,
            after,
            records: &records,
        };
        self.store.continue_chain(continuation, now).await?;
        Ok(ChainHead {
            seq: record.seq,
            hash,
        })
    }
}

/// The hash of a record as stored.
fn hash_of(record: &[u8]) -> Hash {
    digest(AUDIT, &[record])
}

fn chain_record(record: &Record, hash: Hash, bytes: Vec<u8>) -> ChainRecord {
    ChainRecord {
        seq: record.seq,
        hash,
        record: bytes,
        time: UnixMillis(record.time_ms),
    }
}

#[cfg(test)]
mod tests;
