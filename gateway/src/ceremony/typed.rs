//! A sign-in from a machine without a browser: its address is opened on another machine, and the code of its terminal is
//! typed there.
//!
//! The page does not show the code, and the challenge is handed out only for it: who was sent the address alone cannot go
//! on. Such a sign-in is marked in what the passkey signs, and every verifier lets it live less long.

use adit_proto::id::SignInId;
use adit_proto::key::Fingerprint;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::answer::{gone, refused};
use super::record::{Kind, Outcome, Page};
use super::{Ceremonies, CeremonyError, CeremonyId};

/// Longest text that is looked at; a code has seven characters.
const TYPED_MAX: usize = 32;

impl Ceremonies {
    /// What the browser's call needs. For a sign-in whose code is typed only with that code; another one uses it up.
    ///
    /// # Errors
    /// [`CeremonyError::TypedCode`]; [`CeremonyError::Gone`]; [`CeremonyError::Store`].
    pub async fn options(
        &self,
        id: CeremonyId,
        typed: Option<&str>,
    ) -> Result<Page, CeremonyError> {
        let page = self.page(id).await?;
        if page.kind != Kind::TypedSignIn {
            return Ok(page);
        }
        match check_typed(typed.unwrap_or_default(), &page.shown.matching_code) {
            Ok(()) => Ok(page),
            Err(error) => {
                self.use_up(id, &error).await?;
                Err(error)
            }
        }
    }

    /// Waits until somebody answered a sign-in that `device` began and whose code is typed, at most until `deadline`.
    ///
    /// # Errors
    /// [`CeremonyError::TimedOut`]; what the answer was refused for; [`CeremonyError::Gone`]; [`CeremonyError::Store`].
    ///
    /// # Cancel safety
    /// Nothing is lost: the outcome stays in the store.
    pub async fn answered(
        &self,
        id: SignInId,
        device: Fingerprint,
        deadline: Instant,
    ) -> Result<(), CeremonyError> {
        let row = self
            .store
            .ceremony_of(&id.to_string(), &device.0, self.now())
            .await
            .map_err(gone)?;
        let ceremony = row.id.parse().map_err(|_| CeremonyError::Record)?;
        match self.outcome(ceremony, deadline).await? {
            Outcome::SignedInTyped { .. } => Ok(()),
            Outcome::Refused { reason } => Err(refused(&reason)),
            // One that returns to the agent is not asked after.
            Outcome::SignedIn { .. } | Outcome::Registered { .. } | Outcome::Touched { .. } => {
                Err(CeremonyError::Gone)
            }
        }
    }

    /// Uses a ceremony up without an answer.
    async fn use_up(&self, id: CeremonyId, why: &CeremonyError) -> Result<(), CeremonyError> {
        let name = id.to_string();
        let taken = self.store.take_ceremony(&name, self.now()).await;
        taken.map_err(gone)?;
        let reason = why.reason().as_str().to_owned();
        let text = serde_json::to_string(&Outcome::Refused { reason });
        let text = text.map_err(|_| CeremonyError::Record)?;
        self.store.settle_ceremony(&name, &text).await?;
        self.tell_waiters();
        Ok(())
    }
}

/// Compares what was typed with the code, as people type: in any case, with or without the hyphen, and with the letters
/// that the code does not have in place of the digits that they look like.
fn check_typed(typed: &str, code: &str) -> Result<(), CeremonyError> {
    let plain = |text: &str| -> String {
        let letters = text.chars().take(TYPED_MAX);
        let letters = letters.filter(|it| !matches!(it, '-' | ' '));
        letters
            .map(|letter| match letter.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            })
            .collect()
    };
    let same = plain(typed).as_bytes().ct_eq(plain(code).as_bytes());
    bool::from(same)
        .then_some(())
        .ok_or(CeremonyError::TypedCode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_taken_as_people_type_it_and_no_other() {
        for typed in ["K1Q-0MX", "k1q0mx", " K1Q 0MX ", "klq-omx", "KIQ-OMX"] {
            assert!(check_typed(typed, "K1Q-0MX").is_ok(), "{typed}");
        }
        let long = "K1Q-0MX".repeat(1000);
        for typed in [
            "",
            "-",
            "K1Q-0M",
            "K1Q-0MX1",
            "K1Q-0MY",
            "\u{212a}1Q-0MX",
            &long,
        ] {
            assert!(check_typed(typed, "K1Q-0MX").is_err(), "{typed}");
        }
    }
}
