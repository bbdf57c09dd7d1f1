//! What is known when a decision is made.

use std::net::IpAddr;
use std::time::Duration;

use adit_proto::id::{DeviceId, UserId};
use adit_proto::time::UnixMillis;

use crate::kube_name::KubeUserName;

/// How well a device is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// A key in a file, in the roster.
    Identified = 1,
    /// A key in hardware whose maker cannot be verified.
    Bound = 2,
    /// A key proven to live in a genuine TPM.
    Attested = 3,
    /// Attested, and booted as measured.
    Measured = 4,
}

impl Tier {
    /// All tiers, the lowest first.
    pub const ALL: [Self; 4] = [
        Self::Identified,
        Self::Bound,
        Self::Attested,
        Self::Measured,
    ];

    /// The tier behind its number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|tier| u64::from(tier.number()) == number)
    }

    /// Its number, for policies and for the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// What is known of who asks. Whoever decides has verified it, or says whose word it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The user's id.
    pub user_id: UserId,
    /// The user's name in the roster, which is also the name at the API server.
    pub user: KubeUserName,
    /// The user's groups in the roster.
    pub groups: Vec<String>,
    /// The device.
    pub device: DeviceId,
    /// The device's tier, as attested and not above its cap.
    pub tier: Tier,
    /// Time since the passkey was used.
    pub sign_in_age: Duration,
    /// Where the gateway says that the device is.
    pub source_address: IpAddr,
    /// When the decision is made.
    pub now: UnixMillis,
    /// Whether a passkey approved this very request.
    pub touched: bool,
}
