//! Who is at the other end of a control connection, as its TLS key proves.

use std::net::SocketAddr;

use adit_proto::Reason;
use adit_proto::id::{ClusterId, DeviceId, UserId};
use adit_proto::key::PublicKey;
use adit_proto::roster::Roster;
use adit_proto::target::Name;
use adit_transport::cid::RouteId;

use crate::registry::LiveId;
use crate::store::parties::PartyId;
use crate::suspension::Suspended;

/// A device or a cluster of the roster. Made of a proven key only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    key: PublicKey,
    identity: Identity,
}

/// Which one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A device.
    Device {
        /// The device.
        id: DeviceId,
        /// Its owner.
        owner: UserId,
    },
    /// A cluster.
    Cluster {
        /// The cluster.
        id: ClusterId,
        /// Its name.
        name: Name,
    },
}

/// What a party may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A device's agent.
    Device,
    /// A cluster's connector.
    Connector,
}

impl Party {
    /// Finds who a proven key belongs to, if the roster trusts it and the gateway did not suspend it.
    ///
    /// # Errors
    /// The reason to close with: `device_unknown`, `device_revoked`, `device_suspended`.
    pub fn of(
        key: &PublicKey,
        roster: Option<&Roster>,
        suspended: &Suspended,
    ) -> Result<Self, Reason> {
        let roster = roster.ok_or(Reason::DeviceUnknown)?;
        let print = key.fingerprint();
        let identity = if let Some(cluster) = roster.cluster_by_key(&print) {
            let (id, name) = (cluster.id, cluster.name.clone());
            Identity::Cluster { id, name }
        } else if roster.clusters().any(|cluster| cluster.key == *key) {
            // Found above unless it is revoked.
            return Err(Reason::DeviceRevoked);
        } else {
            let device = roster.active_device(&print)?;
            let (id, owner) = (device.id, device.owner);
            if suspended.against(id, owner).is_some() {
                return Err(Reason::DeviceSuspended);
            }
            Identity::Device { id, owner }
        };
        let key = key.clone();
        Ok(Self { key, identity })
    }

    /// The key that it proved.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Which device or cluster it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What it may send.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.identity {
            Identity::Device { .. } => Role::Device,
            Identity::Cluster { .. } => Role::Connector,
        }
    }

    /// Its row in the inventory.
    #[must_use]
    pub fn row(&self) -> PartyId {
        match self.identity {
            Identity::Device { id, .. } => PartyId::Device(id),
            Identity::Cluster { id, .. } => PartyId::Cluster(id),
        }
    }
}

/// A device that calls the API, on its control connection.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The device.
    pub device: DeviceId,
    /// Its owner.
    pub user: UserId,
    /// The key that it proved.
    pub key: PublicKey,
    /// Its process.
    pub instance: [u8; 16],
    /// Its route.
    pub route: RouteId,
    /// Where it calls from.
    pub source: SocketAddr,
    /// Its control connection.
    pub live: LiveId,
}
