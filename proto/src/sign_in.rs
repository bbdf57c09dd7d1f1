//! The sign-in: a portable proof that a passkey authorised a device key until a time.
//!
//! Gateway and connector verify the evidence themselves, each with its own ceiling. What a request says is fixed by
//! its bytes as sent, which the challenge of the assertion commits to.

mod error;
mod evidence;
mod request;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

pub use error::SignInError;
pub use evidence::Evidence;
pub use request::{SignInRequest, challenge};

use crate::id::{DeviceId, PasskeyId, UserId};
use crate::time::UnixMillis;

/// How far the clocks of gateway and verifier may differ.
const SKEW: Duration = Duration::from_mins(5);

/// How old a sign-in may become at this verifier, whatever expiry it states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignInCeiling {
    /// Longest age; 24 hours unless set.
    pub max_age: Duration,
    /// Longest age of one whose matching code was typed; an hour unless set.
    pub headless_max_age: Duration,
}

impl Default for SignInCeiling {
    fn default() -> Self {
        Self {
            max_age: Duration::from_hours(24),
            headless_max_age: Duration::from_hours(1),
        }
    }
}

/// Proof that a user's passkey authorised a device key of his, and until when.
#[derive(Clone, Debug)]
pub struct VerifiedSignIn {
    user_id: UserId,
    device_id: DeviceId,
    passkey_id: PasskeyId,
    issued: UnixMillis,
    expires: UnixMillis,
    source_address: IpAddr,
    headless: bool,
    sign_count: u32,
}

impl VerifiedSignIn {
    /// Who signed in.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.user_id
    }

    /// The device whose key was authorised.
    #[must_use]
    pub fn device_id(&self) -> DeviceId {
        self.device_id
    }

    /// The passkey that authorised it.
    #[must_use]
    pub fn passkey_id(&self) -> PasskeyId {
        self.passkey_id
    }

    /// When the gateway made the request.
    #[must_use]
    pub fn issued(&self) -> UnixMillis {
        self.issued
    }

    /// When it ends: the earlier of what it states and what the ceiling allows.
    #[must_use]
    pub fn expires(&self) -> UnixMillis {
        self.expires
    }

    /// The address that the gateway saw the device at.
    #[must_use]
    pub fn source_address(&self) -> IpAddr {
        self.source_address
    }

    /// Whether the matching code was typed.
    #[must_use]
    pub fn headless(&self) -> bool {
        self.headless
    }

    /// The authenticator's counter; zero where it has none.
    #[must_use]
    pub fn sign_count(&self) -> u32 {
        self.sign_count
    }
}

/// When the sign-in ends, if it has begun and not ended.
fn end(
    request: &SignInRequest,
    ceiling: &SignInCeiling,
    now: UnixMillis,
) -> Result<UnixMillis, SignInError> {
    if request.issued > now.after(SKEW) {
        return Err(SignInError::FromTheFuture);
    }
    let max_age = if request.headless {
        ceiling.headless_max_age
    } else {
        ceiling.max_age
    };
    let expires = request.expires.min(request.issued.after(max_age));
    (now < expires)
        .then_some(expires)
        .ok_or(SignInError::Expired)
}
