//! The second half of a ceremony: the browser's answer is judged once, and whoever waits for it is told.

use std::str::FromStr;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::assertion::{self, CredentialKey, RelyingParty};
use adit_proto::key::Fingerprint;
use adit_proto::label::{Hash, sha256};
use adit_proto::roster::Roster;
use adit_proto::software_authenticator::SOFTWARE_AAGUID;
use adit_proto::wire::identity::Assertion;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::record::{Detail, Next, Outcome, Page, StoredPasskey, Subject};
use super::relying_party::{Ceremonial, Registration, SignCount};
use super::{Callback, Ceremonies, CeremonyError, CeremonyId, POLL};
use crate::store::StoreError;
use crate::store::ceremonies::Ceremony;

/// A registration as the browser sent it, and what it holds.
#[derive(Clone, Debug)]
pub struct Registered {
    /// As sent.
    pub attestation_object: Vec<u8>,
    /// As sent.
    pub client_data_json: Vec<u8>,
}

/// What comes of an answer that verifies.
struct Judged {
    outcome: Outcome,
    next: Next,
    /// By the passkey that answered.
    signed: SignCount,
}

impl Ceremonies {
    /// What the page of a ceremony shows.
    ///
    /// # Errors
    /// [`CeremonyError::Gone`]; [`CeremonyError::Store`].
    pub async fn page(&self, id: CeremonyId) -> Result<Page, CeremonyError> {
        let row = self
            .store
            .waiting_ceremony(&id.to_string(), self.now())
            .await;
        let detail: Detail = read(&row.map_err(gone)?.detail)?;
        let (kind, shown, options) = (detail.subject.kind(), detail.shown, detail.options);
        Ok(Page {
            kind,
            shown,
            options,
        })
    }

    /// Judges the browser's answer. Whatever it is, the ceremony is used up.
    ///
    /// # Errors
    /// [`CeremonyError`]; the waiter learns of it too.
    pub async fn answer(
        &self,
        id: CeremonyId,
        answer: &[u8],
        roster: Option<&Roster>,
    ) -> Result<Next, CeremonyError> {
        let name = id.to_string();
        let row = self
            .store
            .take_ceremony(&name, self.now())
            .await
            .map_err(gone)?;
        let detail: Detail = read(&row.detail)?;
        let judged = match self.judge(&detail, answer, roster) {
            Ok(judged) => self.counted(judged).await,
            Err(error) => Err(error),
        };
        let (outcome, result) = match judged {
            Ok((outcome, next)) => (outcome, Ok(next)),
            Err(error) => {
                let reason = error.reason().as_str().to_owned();
                (Outcome::Refused { reason }, Err(error))
            }
        };
        let text = serde_json::to_string(&outcome).map_err(|_| CeremonyError::Record)?;
        self.store.settle_ceremony(&name, &text).await?;
        self.tell_waiters();
        result
    }

    /// What was judged, unless the passkey signed less often than it has (Web Authentication Level 3, section 6.1.1).
    async fn counted(&self, judged: Judged) -> Result<(Outcome, Next), CeremonyError> {
        let Judged {
            outcome,
            next,
            signed: SignCount {
                credential_id,
                count,
            },
        } = judged;
        let rose = self.store.raise_sign_count(&credential_id, count).await?;
        rose.then_some((outcome, next)).ok_or(CeremonyError::Copied)
    }

    fn judge(
        &self,
        detail: &Detail,
        answer: &[u8],
        roster: Option<&Roster>,
    ) -> Result<Judged, CeremonyError> {
        let party =
            RelyingParty::new(&detail.rp_id, &detail.origins).map_err(|_| CeremonyError::Record)?;
        let follows = if detail.goes_on {
            Next::Wait
        } else {
            Next::Done
        };
        let library = Ceremonial::new(&party)?;
        match &detail.subject {
            Subject::Register | Subject::Further => {
                let sent = library.registered(&detail.state, answer)?;
                self.judge_registration(sent, detail, &party, follows)
            }
            Subject::Touch { passkeys } => {
                let (sent, signed) = library.asserted(&detail.state, answer)?;
                judge_touch(&sent, passkeys, &party, &challenge(detail)?)?;
                let assertion = sent.into();
                Ok(Judged {
                    outcome: Outcome::Touched { assertion },
                    next: follows,
                    signed,
                })
            }
            Subject::SignIn {
                request,
                port,
                state,
                ..
            } => {
                let (sent, signed) = library.asserted(&detail.state, answer)?;
                self.judge_sign_in(request, &sent, roster)?;
                let code = URL_SAFE_NO_PAD.encode(self.entropy.bytes::<32>());
                let callback = Callback::at(*port).ok_or(CeremonyError::Record)?;
                let state = state.parse().map_err(|_| CeremonyError::Record)?;
                let next = Next::Go(callback.with(&code, &state));
                let code_hash = sha256(code.as_bytes()).to_vec();
                Ok(Judged {
                    outcome: Outcome::SignedIn {
                        assertion: sent.into(),
                        code_hash,
                    },
                    next,
                    signed,
                })
            }
            Subject::TypedSignIn { request } => {
                let (sent, signed) = library.asserted(&detail.state, answer)?;
                self.judge_sign_in(request, &sent, roster)?;
                let assertion = sent.into();
                Ok(Judged {
                    outcome: Outcome::SignedInTyped { assertion },
                    next: Next::Done,
                    signed,
                })
            }
        }
    }

    /// As the client and every connector will judge it, and who made the passkey.
    fn judge_registration(
        &self,
        sent: Registration,
        detail: &Detail,
        party: &RelyingParty,
        next: Next,
    ) -> Result<Judged, CeremonyError> {
        let Registration {
            attestation_object,
            client_data_json,
        } = sent;
        let challenge = challenge(detail)?;
        let registered =
            assertion::registered(&attestation_object, &client_data_json, party, &challenge)?;
        let software = registered.aaguid() == &SOFTWARE_AAGUID;
        if software && !self.settings.software_authenticator {
            return Err(CeremonyError::SoftwareAuthenticator);
        }
        let signed = SignCount {
            credential_id: registered.credential_id().to_vec(),
            count: registered.sign_count(),
        };
        let outcome = Outcome::Registered {
            attestation_object,
            client_data_json,
        };
        Ok(Judged {
            outcome,
            next,
            signed,
        })
    }

    /// Where the tab of a ceremony goes now.
    ///
    /// # Errors
    /// [`CeremonyError::Gone`]; [`CeremonyError::Store`].
    pub async fn next(&self, id: CeremonyId) -> Result<Next, CeremonyError> {
        let row = self
            .store
            .ceremony(&id.to_string(), self.now())
            .await
            .map_err(gone)?;
        Ok(match row.next_page {
            None => Next::Wait,
            Some(page) if page.is_empty() => return Err(CeremonyError::Abandoned),
            Some(page) => Next::Go(page),
        })
    }

    /// Leads the tab of a ceremony of `device` to another ceremony.
    ///
    /// # Errors
    /// [`CeremonyError::Gone`] if there is no such tab of that device, or it was led on before; [`CeremonyError::Store`].
    pub async fn lead_on(
        &self,
        tab: CeremonyId,
        device: Fingerprint,
        to: CeremonyId,
    ) -> Result<(), CeremonyError> {
        let page = format!("/ceremony/{to}");
        self.lead(tab, device, &page).await
    }

    /// Tells the tab of a ceremony of `device` that whoever asked does not go on, and that it need not wait.
    ///
    /// # Errors
    /// As [`Ceremonies::lead_on`].
    pub async fn abandon(&self, tab: CeremonyId, device: Fingerprint) -> Result<(), CeremonyError> {
        self.lead(tab, device, "").await
    }

    async fn lead(
        &self,
        tab: CeremonyId,
        device: Fingerprint,
        page: &str,
    ) -> Result<(), CeremonyError> {
        let tab = tab.to_string();
        let led = self.store.lead_ceremony_on(&tab, &device.0, page).await;
        led.map_err(gone)
    }

    /// Waits until a registration was answered, at most until `deadline`.
    ///
    /// # Errors
    /// [`CeremonyError::TimedOut`]; what the answer was refused for; [`CeremonyError::Store`].
    ///
    /// # Cancel safety
    /// Nothing is lost: the outcome stays in the store.
    pub async fn registration(
        &self,
        id: CeremonyId,
        deadline: Instant,
    ) -> Result<Registered, CeremonyError> {
        match self.outcome(id, deadline).await? {
            Outcome::Registered {
                attestation_object,
                client_data_json,
            } => Ok(Registered {
                attestation_object,
                client_data_json,
            }),
            Outcome::Refused { reason } => Err(refused(&reason)),
            Outcome::SignedIn { .. } | Outcome::SignedInTyped { .. } | Outcome::Touched { .. } => {
                Err(CeremonyError::Record)
            }
        }
    }

    /// Waits until a touch was answered, at most until `deadline`.
    ///
    /// # Errors
    /// As [`Ceremonies::registration`].
    ///
    /// # Cancel safety
    /// Nothing is lost: the outcome stays in the store.
    pub async fn touch(
        &self,
        id: CeremonyId,
        deadline: Instant,
    ) -> Result<Assertion, CeremonyError> {
        Self::touched(self.outcome(id, deadline).await?)
    }

    /// As [`Ceremonies::touch`], for a touch that `device` asked for.
    ///
    /// # Errors
    /// As [`Ceremonies::registration`]; [`CeremonyError::Gone`] for a touch of another device.
    ///
    /// # Cancel safety
    /// Nothing is lost: the outcome stays in the store.
    pub async fn touch_of(
        &self,
        id: CeremonyId,
        device: Fingerprint,
        deadline: Instant,
    ) -> Result<Assertion, CeremonyError> {
        self.of_device(id, device).await?;
        self.touch(id, deadline).await
    }

    /// A ceremony in whichever state that `device` asked for.
    pub(super) async fn of_device(
        &self,
        id: CeremonyId,
        device: Fingerprint,
    ) -> Result<Ceremony, CeremonyError> {
        let row = self.store.ceremony(&id.to_string(), self.now()).await;
        row.map_err(gone).and_then(|row| {
            (row.device == device.0)
                .then_some(row)
                .ok_or(CeremonyError::Gone)
        })
    }

    /// Waits for the outcome of a ceremony that was begun: if it is gone, nobody answered while it lived.
    pub(super) async fn outcome(
        &self,
        id: CeremonyId,
        deadline: Instant,
    ) -> Result<Outcome, CeremonyError> {
        let mut settled = self.settled.subscribe();
        loop {
            settled.borrow_and_update();
            let row = self.store.ceremony(&id.to_string(), self.now()).await;
            let row = row.map_err(|error| {
                if matches!(error, StoreError::Missing { .. }) {
                    return CeremonyError::TimedOut;
                }
                CeremonyError::Store(error)
            })?;
            if let Some(outcome) = row.outcome {
                return read(&outcome);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return Err(CeremonyError::TimedOut);
            }
            // Either way the store is read again: this only says when.
            let _ = tokio::time::timeout(left.min(POLL), settled.changed()).await;
        }
    }
}

fn judge_touch(
    sent: &Assertion,
    passkeys: &[StoredPasskey],
    party: &RelyingParty,
    challenge: &Hash,
) -> Result<(), CeremonyError> {
    let known = passkeys
        .iter()
        .find(|passkey| passkey.credential_id == sent.credential_id)
        .ok_or(CeremonyError::NoPasskey)?;
    let key = CredentialKey::from_cose(&known.cose_key)?;
    assertion::verify(sent, &key, &known.credential_id, party, challenge)?;
    Ok(())
}

pub(super) fn challenge(detail: &Detail) -> Result<Hash, CeremonyError> {
    Hash::try_from(detail.challenge.as_slice()).map_err(|_| CeremonyError::Record)
}

pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, CeremonyError> {
    serde_json::from_str(text).map_err(|_| CeremonyError::Record)
}

/// A ceremony that is not there in the wanted state is gone, whichever it was.
pub(super) fn gone(error: StoreError) -> CeremonyError {
    if matches!(error, StoreError::Missing { .. }) {
        return CeremonyError::Gone;
    }
    CeremonyError::Store(error)
}

pub(super) fn refused(reason: &str) -> CeremonyError {
    CeremonyError::Refused(Reason::from_str(reason).unwrap_or(Reason::EvidenceInvalid))
}
