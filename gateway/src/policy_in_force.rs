//! The policy that the roster names, read and checked.

use std::sync::Arc;

use adit_policy::CheckedPolicy;
use adit_proto::roster::{PolicyHead, Roster};
use parking_lot::Mutex;

use crate::store::{Store, StoreError};

/// A policy with its number in the roster.
#[derive(Debug)]
pub struct InForce {
    /// Its number.
    pub number: u64,
    /// The policy.
    pub policy: CheckedPolicy,
}

/// Why there is no policy to decide by. Each denies.
#[derive(Debug, thiserror::Error)]
pub enum PolicyUnavailable {
    /// No policy was ever applied: nothing is allowed.
    #[error("no policy is in force")]
    None,
    /// The store does not have the text that the roster names.
    #[error("the text of policy {0} is missing from the database")]
    Missing(u64),
    /// The text does not pass this version's checks, or is not the one that was signed.
    #[error("policy {0} is refused by this version")]
    Refused(u64),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads policies and keeps the last one.
#[derive(Debug)]
pub struct Policies {
    store: Store,
    held: Mutex<Option<(PolicyHead, Arc<InForce>)>>,
}

impl Policies {
    /// Reads from `store`.
    #[must_use]
    pub fn new(store: Store) -> Self {
        let held = Mutex::new(None);
        Self { store, held }
    }

    /// The policy that a roster names.
    ///
    /// # Errors
    /// [`PolicyUnavailable`].
    pub async fn in_force(&self, roster: &Roster) -> Result<Arc<InForce>, PolicyUnavailable> {
        let head = roster.policy().ok_or(PolicyUnavailable::None)?;
        if let Some((_, policy)) = self.held.lock().as_ref().filter(|(held, _)| *held == head) {
            return Ok(Arc::clone(policy));
        }
        let number = head.number;
        let text = self.store.policy(&head.digest).await?;
        let text = text.ok_or(PolicyUnavailable::Missing(number))?;
        let policy = CheckedPolicy::parse(&text).map_err(|_| PolicyUnavailable::Refused(number))?;
        if *policy.digest() != head.digest {
            return Err(PolicyUnavailable::Refused(number));
        }
        let read = Arc::new(InForce { number, policy });
        *self.held.lock() = Some((head, Arc::clone(&read)));
        Ok(read)
    }
}
