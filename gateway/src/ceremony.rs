//! Ceremonies: what a person does in the browser with a passkey.
//!
//! There are three kinds: *register* (a new passkey, during an enrolment or beside those of who is signed in), *sign-in*
//! (a passkey authorises a device key for a time) and *touch* (a passkey approves a statement of the roster). Each is
//! one row of the store:
//!
//! ```text
//! begun ──answer──▶ taken ──verified──▶ settled ──redeemed (sign-in: once, by code and PKCE)
//!   │                 └────refused────▶ settled
//!   └──300 s──▶ gone
//! ```
//!
//! The step from begun to taken is one statement of SQL, so an answer counts once, on however many gateways; a wrong one
//! uses the ceremony up as a right one does. Unknown, used and expired ceremonies look the same from outside.
//! Nothing here is a cookie or a token: what a sign-in leaves is evidence that verifies without this gateway.

mod answer;
mod begin;
pub mod bytes;
pub mod callback;
mod further;
pub mod id;
mod record;
mod relying_party;
mod sign_in;
#[cfg(test)]
pub(crate) mod tests;
mod touch;
mod typed;

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::assertion::AssertionError;
use adit_proto::key::Fingerprint;
use adit_proto::time::UnixMillis;
use adit_transport::limit::{Limits, Rate};
use tokio::sync::watch;

pub use answer::Registered;
pub use begin::{Begun, RegisterAsk, user_handle};
pub use callback::{Callback, CallbackError, CallbackState};
pub use id::{CeremonyId, CeremonyIdError};
pub use record::{Kind, Next, Page, Shown};
pub use relying_party::{KnownPasskey, WebauthnRefusal};
pub use sign_in::{BegunSignIn, Finish, Returns, SignInAsk};
pub use touch::TouchAsk;

use crate::clock::{Clock, Entropy};
use crate::store::{Store, StoreError};

/// How often a waiter reads the store although nobody here settled anything: another gateway may have.
const POLL: Duration = Duration::from_millis(500);

/// What ceremonies need of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `public_url` without a slash at its end; also the origin of the pages.
    pub origin: String,
    /// Life of a ceremony, and so of matching code and challenge.
    pub ceremony: Duration,
    /// Life of a sign-in.
    pub sign_in: Duration,
    /// Life of a sign-in whose code is typed on another machine; `None` where there is none.
    pub headless: Option<Duration>,
    /// How many one device may begin at once; one more every two seconds. Each is a row of the store, and one is what a
    /// person has before himself.
    pub at_once: u32,
    /// Whether the software authenticator of tests and demos is taken.
    pub software_authenticator: bool,
}

/// Why a ceremony does not go on.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    /// There is no such ceremony, or it was used, or it has expired: they look the same.
    #[error("this page has been used or has expired")]
    Gone,
    /// The user has no passkey that could answer.
    #[error("this user has no passkey")]
    NoPasskey,
    /// The software authenticator is not taken by this gateway.
    #[error("the software authenticator is refused by this gateway")]
    SoftwareAuthenticator,
    /// WebAuthn refused.
    #[error("the passkey's answer was refused")]
    Webauthn(#[from] WebauthnRefusal),
    /// The answer would not convince a connector.
    #[error("the passkey's answer was refused")]
    Assertion(#[from] AssertionError),
    /// The passkey has signed as often as before, or less often.
    #[error(
        "this passkey's counter did not rise: try again, and if it does not then either, it may have been copied; \
         remove it and add another"
    )]
    Copied,
    /// The roster does not allow it, or it was refused before and this is the reason.
    #[error("refused: {0}")]
    Refused(Reason),
    /// The one-time code or the PKCE verifier is wrong, or of another device.
    #[error("the one-time code does not belong to this sign-in")]
    Code,
    /// The device has begun too many.
    #[error("this device has begun too many sign-ins and touches; wait a few seconds")]
    TooMany,
    /// Nobody signs in by a code that is typed on another machine.
    #[error("this gateway lets nobody sign in from a machine without a browser")]
    HeadlessOff,
    /// The code of the terminal was not typed.
    #[error("that is not the code of the terminal; this page is used up")]
    TypedCode,
    /// Whoever asked does not go on.
    #[error("the terminal did not go on; it says why")]
    Abandoned,
    /// The browser did not answer in time.
    #[error("nobody answered in time")]
    TimedOut,
    /// A stored ceremony is not what this program writes.
    #[error("the stored ceremony cannot be read")]
    Record,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CeremonyError {
    /// What a stranger is told.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Gone | Self::TimedOut => Reason::TouchExpired,
            Self::Webauthn(WebauthnRefusal::Malformed(_)) => Reason::RequestMalformed,
            Self::NoPasskey
            | Self::SoftwareAuthenticator
            | Self::Assertion(_)
            | Self::Copied
            | Self::Code
            | Self::TypedCode
            | Self::Abandoned
            | Self::Webauthn(_) => Reason::EvidenceInvalid,
            Self::TooMany => Reason::RateLimited,
            Self::HeadlessOff => Reason::PolicyDenied,
            Self::Refused(reason) => *reason,
            Self::Record | Self::Store(_) => Reason::GatewayUnreachable,
        }
    }
}

/// How long a device that has begun its share waits for each further one.
const EACH: Duration = Duration::from_secs(2);

/// The gateway's ceremonies.
#[derive(Debug)]
pub struct Ceremonies {
    store: Store,
    clock: Clock,
    entropy: Entropy,
    settings: Settings,
    /// What each device key has begun.
    begun: Limits<Fingerprint>,
    /// Counts what was settled by this process, so that waiters look at once.
    settled: watch::Sender<u64>,
}

impl Ceremonies {
    /// Makes them.
    #[must_use]
    pub fn new(store: Store, clock: Clock, entropy: Entropy, settings: Settings) -> Self {
        let (settled, _) = watch::channel(0);
        let begun = Rate {
            burst: settings.at_once,
            each: EACH,
        };
        Self {
            store,
            clock,
            entropy,
            settings,
            begun: Limits::new(begun),
            settled,
        }
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The address of a ceremony's page.
    #[must_use]
    pub fn url(&self, id: CeremonyId) -> String {
        format!("{}/ceremony/{id}", self.settings.origin)
    }

    fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    fn tell_waiters(&self) {
        self.settled
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}
