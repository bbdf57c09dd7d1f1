//! What a registered party is sent without asking: statements, the policy, leases.

use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::roster::Roster;
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::{Lease, PolicyText, RosterStatements};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Control;
use super::connection::millis;
use crate::caller::{Party, Role};
use crate::registry::Live;
use crate::suspension::Suspended;

/// Leases in the life of one: three may be lost.
const LEASES: u32 = 4;
/// How long to wait before a store is asked again that did not answer.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// The pushing half of a connection.
#[derive(Debug)]
pub(super) struct Push<'a> {
    control: &'a Control,
    live: &'a Live,
    /// Newest statement that the party has.
    held: u64,
    /// Number of the policy that the party has.
    policy: u64,
    fetches: mpsc::Receiver<u64>,
    roster: watch::Receiver<Option<Arc<Roster>>>,
    suspended: watch::Receiver<Arc<Suspended>>,
}

impl<'a> Push<'a> {
    /// Pushes what follows statement `held`.
    pub(super) fn new(
        control: &'a Control,
        live: &'a Live,
        held: u64,
        fetches: mpsc::Receiver<u64>,
    ) -> Self {
        let services = &control.services;
        Self {
            control,
            live,
            held,
            policy: 0,
            fetches,
            roster: services.roster.follow(),
            suspended: services.suspensions.follow(),
        }
    }

    /// Pushes until the party is trusted no more, and returns the reason.
    pub(super) async fn run(mut self) -> Reason {
        let mut leases = interval(self.control.services.config.lives.lease / LEASES);
        leases.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Err(reason) = self.judge() {
                return reason;
            }
            if Box::pin(self.catch_up()).await.is_err() {
                // The store does not answer; leases go out with their age all the same.
                self.lease();
                sleep(STORE_AGAIN).await;
                continue;
            }
            self.lease();
            tokio::select! {
                Ok(()) = self.roster.changed() => {}
                Ok(()) = self.suspended.changed() => {}
                Some(from) = self.fetches.recv() => self.held = from.saturating_sub(1),
                _ = leases.tick() => {}
                else => return Reason::GatewayUnreachable,
            }
        }
    }

    /// A party that is revoked or suspended is closed; it learns why when it dials again, too.
    fn judge(&mut self) -> Result<(), Reason> {
        let roster = self.roster.borrow_and_update().clone();
        let suspended = self.suspended.borrow_and_update().clone();
        let key = self.live.party().key();
        let party = Party::of(key, roster.as_deref(), &suspended)?;
        let same = party == *self.live.party();
        same.then_some(()).ok_or(Reason::DeviceRevoked)
    }

    /// Sends what the party does not have yet.
    async fn catch_up(&mut self) -> Result<(), crate::store::StoreError> {
        self.statements().await?;
        self.policy().await
    }

    async fn statements(&mut self) -> Result<(), crate::store::StoreError> {
        let log = &self.control.services.roster;
        while self.held < log.head().number {
            let mut statements = log.statements_from(self.held + 1).await?;
            let Some(last) = statements.last().map(|statement| statement.number) else {
                return Ok(());
            };
            if self.live.party().role() == Role::Device {
                // Where there are statements there is a roster.
                let Some(roster) = log.snapshot() else {
                    return Ok(());
                };
                statements = statements.iter().map(|it| roster.client_view(it)).collect();
            }
            let message = Message::RosterStatements(RosterStatements { statements });
            self.live.send_when_read(message).await;
            self.held = last;
        }
        Ok(())
    }

    async fn policy(&mut self) -> Result<(), crate::store::StoreError> {
        if self.live.party().role() == Role::Device {
            return Ok(());
        }
        let services = &self.control.services;
        let named = services
            .roster
            .snapshot()
            .and_then(|roster| roster.policy());
        let Some(named) = named.filter(|named| named.number != self.policy) else {
            return Ok(());
        };
        let number = named.number;
        if let Some(text) = services.store.policy(&named.digest).await? {
            let message = Message::PolicyText(PolicyText { number, text });
            self.live.send_when_read(message).await;
        } else {
            tracing::error!(
                number,
                "the text of the policy in force is missing from the store"
            );
        }
        self.policy = number;
        Ok(())
    }

    fn lease(&self) {
        let reading = self.control.readings.newest();
        self.live.send(Message::Lease(Lease {
            roster_number: reading.newest.statement,
            suspension_number: reading.newest.suspension,
            reading_age_ms: millis(reading.age()),
            lease_ms: millis(self.control.services.config.lives.lease),
        }));
    }
}
