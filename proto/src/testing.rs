//! Builders of rosters, people and sign-ins for tests, behind the feature `testing`. They panic where a test would.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a builder for tests fails as a test does"
)]

mod ceremony;
mod key;
mod log;
mod own;
mod person;

use std::cell::Cell;

use ring::rand::{SecureRandom, SystemRandom};

pub use ceremony::Ceremony;
pub use key::TestKey;
pub use log::{Invited, Log, RECOVERY_KEY, TestCluster};
pub use person::Person;

pub use crate::software_authenticator::SoftwareAuthenticator;

/// When the logs of tests begin: 2025-01-01 00:00:00 UTC.
pub const START: crate::time::UnixMillis = crate::time::UnixMillis(1_735_689_600_000);

thread_local! {
    static SIGNATURES: Cell<u64> = const { Cell::new(0) };
}

/// How many signatures of passkeys this thread has verified, right or not.
#[must_use]
pub fn signatures_verified() -> u64 {
    SIGNATURES.get()
}

pub(crate) fn count_signature() {
    SIGNATURES.set(SIGNATURES.get() + 1);
}

/// Random bytes.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has randomness");
    bytes
}
