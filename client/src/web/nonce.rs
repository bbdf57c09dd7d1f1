//! What the first visit carries: a secret that is good once, for one application, for a minute.

use std::collections::HashMap;
use std::time::Duration;

use adit_proto::time::UnixMillis;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::exit::Failure;
use crate::random;

/// How long a browser may take to start and come.
pub const LIFE: Duration = Duration::from_mins(1);

/// Proof that the nonce of an application was shown, for the first time. Only [`Nonces::spend`] makes it.
#[derive(Debug)]
pub struct Spent(());

/// A nonce that was issued.
#[derive(Debug)]
pub struct Issued {
    /// The secret.
    pub text: String,
    /// Cancelled when it was shown.
    pub shown: CancellationToken,
}

#[derive(Debug)]
struct Waiting {
    label: String,
    until: UnixMillis,
    shown: CancellationToken,
}

/// The nonces that wait for a browser.
#[derive(Debug, Default)]
pub struct Nonces(Mutex<HashMap<String, Waiting>>);

impl Nonces {
    /// Issues a nonce for the application of `label`.
    ///
    /// # Errors
    /// Without randomness.
    pub fn issue(&self, label: &str, now: UnixMillis) -> Result<Issued, Failure> {
        let issued = Issued {
            text: random::text::<16>()?,
            shown: CancellationToken::new(),
        };
        let waiting = Waiting {
            label: label.to_owned(),
            until: now.after(LIFE),
            shown: issued.shown.clone(),
        };
        let mut all = self.0.lock();
        all.retain(|_, waiting| now < waiting.until);
        all.insert(issued.text.clone(), waiting);
        Ok(issued)
    }

    /// Takes a nonce that a browser shows at the application of `label`.
    pub fn spend(&self, text: &str, label: &str, now: UnixMillis) -> Option<Spent> {
        let mut all = self.0.lock();
        // Shown anywhere, it is good nowhere any more.
        let waiting = all.remove(text)?;
        if waiting.label != label || now >= waiting.until {
            return None;
        }
        waiting.shown.cancel();
        Some(Spent(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn a_nonce_is_good_once_for_its_application_and_a_minute() {
        let nonces = Nonces::default();
        let issued = nonces.issue("wiki", NOW).unwrap();
        assert!(nonces.spend("", "wiki", NOW).is_none());
        assert!(!issued.shown.is_cancelled());
        assert!(nonces.spend(&issued.text, "wiki", NOW).is_some());
        assert!(issued.shown.is_cancelled());
        assert!(nonces.spend(&issued.text, "wiki", NOW).is_none(), "twice");
        let issued = nonces.issue("wiki", NOW).unwrap();
        assert!(nonces.spend(&issued.text, "shop", NOW).is_none());
        assert!(nonces.spend(&issued.text, "wiki", NOW).is_none());
        let issued = nonces.issue("wiki", NOW).unwrap();
        let late = NOW.after(LIFE);
        assert!(nonces.spend(&issued.text, "wiki", late).is_none());
    }
}
