//! Suspensions: the gateway's own word against a device or a user, which it can take back.
//!
//! Connectors are not asked: they do not know of it, and a session that is suspended is ended by the gateway.

use std::collections::HashMap;
use std::sync::Arc;

use adit_proto::id::{DeviceId, UserId};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::store::suspensions::{NewSuspension, Subject, Suspension};
use crate::store::{Store, StoreError};

/// Those in force, with the number of the newest entry of the log.
#[derive(Clone, Debug, Default)]
pub struct Suspended {
    number: u64,
    by_subject: HashMap<Subject, Suspension>,
}

impl Suspended {
    /// The suspension that stands against a device or its owner.
    #[must_use]
    pub fn against(&self, device: DeviceId, owner: UserId) -> Option<&Suspension> {
        [Subject::Device(device), Subject::User(owner)]
            .iter()
            .find_map(|subject| self.by_subject.get(subject))
    }

    /// Number of the newest entry of the log.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether this very subject is suspended.
    #[must_use]
    pub fn of(&self, subject: Subject) -> Option<&Suspension> {
        self.by_subject.get(&subject)
    }
}

/// The log of suspensions, as the store has it.
#[derive(Debug)]
pub struct Suspensions {
    store: Store,
    clock: Clock,
    current: watch::Sender<Arc<Suspended>>,
}

impl Suspensions {
    /// Reads what the store has.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn open(store: Store, clock: Clock) -> Result<Self, StoreError> {
        let current = watch::Sender::new(Arc::default());
        let suspensions = Self {
            store,
            clock,
            current,
        };
        suspensions.refresh().await?;
        Ok(suspensions)
    }

    /// Those in force.
    #[must_use]
    pub fn current(&self) -> Arc<Suspended> {
        Arc::clone(&self.current.borrow())
    }

    /// Follows them; the newest counts.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Arc<Suspended>> {
        self.current.subscribe()
    }

    /// Suspends, or ends a suspension. Sessions follow within a second.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn set(
        &self,
        subject: Subject,
        suspended: bool,
        reason: &str,
        actor: UserId,
    ) -> Result<(), StoreError> {
        let new = NewSuspension {
            subject,
            suspended,
            reason,
            actor,
        };
        self.store.add_suspension(new, self.clock.now()).await?;
        self.refresh().await
    }

    /// Reads what other gateways did.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        // The number first: what is added between the two readings is in the list, and is read once more.
        let number = self.store.newest().await?.suspension;
        let held = self.store.suspensions().await?;
        let by_subject = held.into_iter().map(|one| (one.subject, one)).collect();
        let read = Arc::new(Suspended { number, by_subject });
        self.current.send_if_modified(|current| {
            let newer = current.number < read.number;
            if newer {
                *current = read;
            }
            newer
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::Bench;
    use adit_proto::time::UnixMillis;

    #[tokio::test]
    async fn a_suspended_user_suspends_each_device_until_it_ends() {
        let now = UnixMillis(1_700_000_000_000);
        let bench = Bench::sqlite();
        let store = bench.open().await;
        let suspensions = Suspensions::open(store, Clock::standing_at(now))
            .await
            .unwrap();
        let mut follow = suspensions.follow();
        let (user, device) = (
            UserId::from_parts(now, [1; 10]),
            DeviceId::from_parts(now, [2; 10]),
        );
        let other = UserId::from_parts(now, [3; 10]);
        suspensions
            .set(Subject::User(user), true, "lost laptop", other)
            .await
            .unwrap();
        assert!(follow.has_changed().unwrap());
        let held = follow.borrow_and_update().clone();
        assert_eq!(held.against(device, user).unwrap().reason, "lost laptop");
        assert!(held.against(device, other).is_none());
        suspensions
            .set(Subject::User(user), false, "found", other)
            .await
            .unwrap();
        assert!(suspensions.current().against(device, user).is_none());
        assert_eq!(suspensions.current().number(), 2);
    }
}
