//! What every part of the gateway works with, wired once in [`crate::app`].

use std::sync::Arc;

use adit_proto::Reason;
use adit_proto::key::InvitationPublicKey;
use adit_proto::roster::{Device, Roster, User};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::Audit;
use crate::broker::{Broker, Denied};
use crate::caller::{Caller, Identity, Party};
use crate::ceremony::Ceremonies;
use crate::clock::{Clock, Entropy};
use crate::config::Config;
use crate::policy_in_force::Policies;
use crate::registry::Registry;
use crate::roster_log::RosterLog;
use crate::state::Keys;
use crate::store::deployment::Entry;
use crate::store::{Store, StoreError};
use crate::suspension::Suspensions;

/// The parts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Services {
    /// The configuration.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
    /// The keys of the deployment.
    pub keys: Keys,
    /// The store.
    pub store: Store,
    /// The gateway's audit log and the connectors'.
    pub audit: Arc<Audit>,
    /// The roster.
    pub roster: Arc<RosterLog>,
    /// The gateway's own denials.
    pub suspensions: Arc<Suspensions>,
    /// The policy in force.
    pub policies: Arc<Policies>,
    /// Who is here.
    pub registry: Arc<Registry>,
    /// Sessions.
    pub broker: Arc<Broker>,
    /// What people do in the browser.
    pub ceremonies: Arc<Ceremonies>,
    /// Owner of tasks that outlive a call.
    pub tasks: TaskTracker,
    /// Ends those that wait for a time.
    pub stopping: CancellationToken,
}

/// A caller that the roster trusts at this moment and the gateway has not suspended.
#[derive(Clone, Debug)]
pub struct Standing {
    roster: Arc<Roster>,
    device: Device,
    user: User,
}

impl Standing {
    /// The roster that says so.
    #[must_use]
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Its owner.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Whether the owner is an admin.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.roster.is_admin(self.user.id)
    }
}

impl Services {
    /// Judges a caller anew: what was so when the connection began may be over.
    ///
    /// # Errors
    /// [`Denied`] with `device_unknown`, `device_revoked` or `device_suspended`.
    pub fn standing(&self, caller: &Caller) -> Result<Standing, Denied> {
        let suspended = self.suspensions.current();
        let roster = self.roster.snapshot();
        let party = Party::of(&caller.key, roster.as_deref(), &suspended).map_err(Denied::of)?;
        let unknown = || Denied::of(Reason::DeviceUnknown);
        let roster = roster.ok_or_else(unknown)?;
        let Identity::Device { id, owner } = party.identity() else {
            return Err(unknown());
        };
        let device = roster.device(*id).ok_or_else(unknown)?.clone();
        let user = roster.user(*owner).ok_or_else(unknown)?.clone();
        Ok(Standing {
            roster,
            device,
            user,
        })
    }

    /// The key of the first invitation, while there is no genesis.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn first_invitation(&self) -> Result<Option<InvitationPublicKey>, StoreError> {
        if self.roster.snapshot().is_some() {
            return Ok(None);
        }
        let held = self.store.deployment::<32>(Entry::FirstInvitation).await?;
        Ok(held.and_then(|bytes| InvitationPublicKey::from_bytes(&bytes).ok()))
    }
}
