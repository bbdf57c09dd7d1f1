//! A sign-in: a passkey authorises a device key until a time.
//!
//! The device's connection begins it and the same device's connection finishes it, with the code that came back to its
//! loopback port and the PKCE verifier that never left it (RFC 7636). A link that was sent to somebody else brings the
//! code to that person's loopback port, where nobody waits for it.

use std::net::IpAddr;

use adit_proto::Reason;
use adit_proto::id::SignInId;
use adit_proto::key::PublicKey;
use adit_proto::label::{Hash, sha256};
use adit_proto::roster::{Device, Roster};
use adit_proto::sign_in::{self, Evidence, SignInCeiling, SignInRequest, VerifiedSignIn};
use adit_proto::software_authenticator::SOFTWARE_AAGUID;
use adit_proto::time::UnixMillis;
use adit_proto::wire::identity::{Assertion, SignInEvidence};
use subtle::{Choice, ConstantTimeEq};

use super::answer::{gone, read};
use super::begin::{Ask, detail};
use super::record::{Detail, Outcome, Shown, Subject};
use super::relying_party::{Ceremonial, KnownPasskey};
use super::{Callback, CallbackState, Ceremonies, CeremonyError, CeremonyId};
use crate::store::sign_ins::SignIn;

/// Length of a PKCE verifier (RFC 7636, section 4.1).
const VERIFIER: std::ops::RangeInclusive<usize> = 43..=128;

/// What a device asks for.
#[derive(Clone, Debug)]
pub struct SignInAsk {
    /// SHA-256 of the verifier.
    pub pkce_challenge: Hash,
    /// How the device learns of the answer.
    pub returns: Returns,
    /// Where the gateway sees the device.
    pub source: IpAddr,
}

/// How the device learns of the answer.
#[derive(Clone, Debug)]
pub enum Returns {
    /// The page returns to the agent on the same machine.
    To {
        /// Its port.
        callback: Callback,
        /// What the agent knows its callback by.
        state: CallbackState,
        /// A tab of this device that goes on to this sign-in.
        tab: Option<CeremonyId>,
    },
    /// The browser is on another machine: the person types the code there, and the device asks.
    Typed,
}

/// A sign-in that waits for a browser.
#[derive(Clone, Debug)]
pub struct BegunSignIn {
    /// What it is called when it is finished.
    pub id: SignInId,
    /// The page to open.
    pub url: String,
    /// The code that page and terminal show.
    pub matching_code: String,
    /// When the page is gone.
    pub expires: UnixMillis,
}

/// What the device sends to finish.
#[derive(Clone, Debug)]
pub struct Finish {
    /// Which sign-in.
    pub id: SignInId,
    /// The one-time code of the callback; none where the matching code was typed.
    pub code: Option<String>,
    /// The PKCE verifier.
    pub verifier: String,
}

impl Ceremonies {
    /// Begins a sign-in of the device's owner.
    ///
    /// # Errors
    /// [`CeremonyError::NoPasskey`] if the owner has none that is active; [`CeremonyError::Gone`] if `tab` is not a
    /// page of this device; [`CeremonyError::HeadlessOff`]; [`CeremonyError::Webauthn`] and [`CeremonyError::Store`].
    pub async fn begin_sign_in(
        &self,
        roster: &Roster,
        device: &Device,
        ask: SignInAsk,
    ) -> Result<BegunSignIn, CeremonyError> {
        let owner = roster.user(device.owner).ok_or(CeremonyError::NoPasskey)?;
        let passkeys = passkeys_of(roster, device);
        if passkeys.is_empty() {
            return Err(CeremonyError::NoPasskey);
        }
        let life = match &ask.returns {
            Returns::To { .. } => self.settings.sign_in,
            Returns::Typed => self.settings.headless.ok_or(CeremonyError::HeadlessOff)?,
        };
        let now = self.now();
        let request = SignInRequest {
            genesis: roster.genesis(),
            user_id: device.owner,
            device_key: device.key.clone(),
            pkce_challenge: ask.pkce_challenge,
            matching_code: self.matching_code(),
            source_address: ask.source,
            issued: now,
            expires: now.after(life),
            nonce: self.entropy.bytes(),
            headless: matches!(ask.returns, Returns::Typed),
        };
        let bytes = request.encode();
        let challenge = sign_in::challenge(&bytes);
        let party = roster.relying_party();
        let begun = Ceremonial::new(party)?.assert(&passkeys, &challenge)?;
        let id = SignInId::from_parts(now, self.entropy.bytes());
        let shown = Shown {
            matching_code: request.matching_code,
            device: device.name.clone(),
            owner: owner.name.clone(),
            source_address: request.source_address.to_string(),
            words: None,
            asked_ms: now.0,
        };
        let (subject, tab) = subject(ask.returns, id, bytes);
        let ceremony = self.new_id();
        let ask_row = Ask {
            id: ceremony,
            handle: Some(id.to_string()),
            device: device.key.fingerprint(),
            detail: detail(subject, shown, begun, &challenge, party),
            life: self.settings.ceremony,
        };
        let begun = self.begin(ask_row).await?;
        if let Some(tab) = tab {
            self.lead_on(tab, device.key.fingerprint(), ceremony)
                .await?;
        }
        let (url, matching_code, expires) = (begun.url, begun.matching_code, begun.expires);
        Ok(BegunSignIn {
            id,
            url,
            matching_code,
            expires,
        })
    }

    /// Finishes a sign-in on the connection of `device`, and stores it. A wrong code or verifier uses it up.
    ///
    /// # Errors
    /// [`CeremonyError::Code`]; [`CeremonyError::Gone`]; [`CeremonyError::SignIn`] if the roster no longer allows it.
    pub async fn finish_sign_in(
        &self,
        roster: &Roster,
        device: &Device,
        finish: &Finish,
    ) -> Result<SignIn, CeremonyError> {
        let now = self.now();
        let fingerprint = device.key.fingerprint();
        let row = self
            .store
            .redeem_ceremony(&finish.id.to_string(), &fingerprint.0, now)
            .await
            .map_err(gone)?;
        let detail: Detail = read(&row.detail)?;
        let outcome: Outcome = read(&row.outcome.ok_or(CeremonyError::Gone)?)?;
        let (Subject::SignIn { request, .. } | Subject::TypedSignIn { request }) = detail.subject
        else {
            return Err(CeremonyError::Record);
        };
        let (assertion, code_hash) = match outcome {
            Outcome::SignedIn {
                assertion,
                code_hash,
            } => (assertion, Some(code_hash)),
            Outcome::SignedInTyped { assertion } => (assertion, None),
            Outcome::Registered { .. } | Outcome::Touched { .. } | Outcome::Refused { .. } => {
                return Err(CeremonyError::Gone);
            }
        };
        let stated = SignInRequest::parse(&request).map_err(|_| CeremonyError::Record)?;
        check_code(finish, code_hash.as_deref(), &stated.pkce_challenge)?;
        let evidence: Evidence = SignInEvidence {
            request,
            assertion: Some(Assertion::from(assertion)),
        }
        .into();
        let verified = self.verify(&evidence, roster, &device.key, now)?;
        let sign_in = SignIn {
            id: finish.id,
            user: verified.user_id(),
            device: verified.device_id(),
            passkey: verified.passkey_id(),
            evidence,
            issued: verified.issued(),
            expires: verified.expires(),
        };
        self.store.add_sign_in(&sign_in).await?;
        Ok(sign_in)
    }

    /// Whether a stored sign-in still holds by the roster and the clock.
    ///
    /// # Errors
    /// Why not.
    pub fn holds(&self, roster: &Roster, device: &Device, sign_in: &SignIn) -> Result<(), Reason> {
        match self.verify(&sign_in.evidence, roster, &device.key, self.now()) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.reason()),
        }
    }

    /// Judges the answer to a sign-in as every connector will, and who made the passkey.
    pub(super) fn judge_sign_in(
        &self,
        request: &[u8],
        sent: &Assertion,
        roster: Option<&Roster>,
    ) -> Result<(), CeremonyError> {
        let roster = roster.ok_or(CeremonyError::Gone)?;
        let stated = SignInRequest::parse(request).map_err(|_| CeremonyError::Record)?;
        let evidence = Evidence::from(SignInEvidence {
            request: request.to_vec(),
            assertion: Some(sent.clone()),
        });
        let verified = self.verify(&evidence, roster, &stated.device_key, self.now())?;
        let software = roster
            .passkey(verified.passkey_id())
            .is_some_and(|passkey| passkey.aaguid == SOFTWARE_AAGUID);
        if software && !self.settings.software_authenticator {
            return Err(CeremonyError::SoftwareAuthenticator);
        }
        Ok(())
    }

    /// Judges evidence as every connector will.
    pub(super) fn verify(
        &self,
        evidence: &Evidence,
        roster: &Roster,
        device: &PublicKey,
        now: UnixMillis,
    ) -> Result<VerifiedSignIn, CeremonyError> {
        let ceiling = SignInCeiling {
            max_age: self.settings.sign_in,
            headless_max_age: self.settings.headless.unwrap_or_default(),
        };
        evidence
            .verify(roster, device, &ceiling, now)
            .map_err(|error| CeremonyError::Refused(error.reason()))
    }
}

/// What is stored of a sign-in, and the tab that goes on to it.
fn subject(returns: Returns, id: SignInId, request: Vec<u8>) -> (Subject, Option<CeremonyId>) {
    match returns {
        Returns::To {
            callback,
            state,
            tab,
        } => {
            let subject = Subject::SignIn {
                sign_in: id.to_string(),
                request,
                port: callback.port(),
                state: state.to_string(),
            };
            (subject, tab)
        }
        Returns::Typed => (Subject::TypedSignIn { request }, None),
    }
}

fn passkeys_of(roster: &Roster, device: &Device) -> Vec<KnownPasskey> {
    let passkeys = roster.passkeys_of(device.owner);
    passkeys.map(KnownPasskey::from).collect()
}

fn check_code(finish: &Finish, code_hash: Option<&[u8]>, pkce: &[u8]) -> Result<(), CeremonyError> {
    let verifier = finish.verifier.as_bytes();
    if !VERIFIER.contains(&verifier.len()) {
        return Err(CeremonyError::Code);
    }
    let proof = sha256(verifier).ct_eq(pkce);
    let code = match (&finish.code, code_hash) {
        (Some(code), Some(hash)) => sha256(code.as_bytes()).ct_eq(hash),
        (None, None) => Choice::from(1),
        (Some(_), None) | (None, Some(_)) => Choice::from(0),
    };
    let both = bool::from(code & proof);
    both.then_some(()).ok_or(CeremonyError::Code)
}
