//! Genesis: the first admin founds the roster.

use adit_proto::assertion::{self, CredentialKey, RegisteredCredential};
use adit_proto::id::{DeviceId, UserId};
use adit_proto::roster::Roster;
use adit_proto::statement::{Draft, Head, Kind};
use adit_proto::wire::enrol::{EnrolTouch, EnrolTouched};
use adit_proto::wire::roster::{Device, Genesis, Passkey, User};
use adit_proto::words::words;

use super::EnrolError;
use super::founding_words;
use super::turned::{Proven, Signed};
use crate::statement::new_body;

/// Highest tier. The first admin's device has no cap.
const TIER_MAX: u32 = 4;

/// What the first admin brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founder {
    /// The admin's user name.
    pub user_name: String,
    /// The recovery key as an OpenSSH public key line.
    pub recovery_key: String,
}

/// Genesis is drafted and waits for the touch.
#[derive(Debug)]
pub(super) struct Founding {
    proven: Proven,
    credential: RegisteredCredential,
    draft: Draft,
    user: UserId,
    device: DeviceId,
    /// What is founded, for the person to read.
    pub(super) words: Vec<String>,
}

impl Founding {
    /// Drafts the genesis statement.
    pub(super) fn new(
        proven: Proven,
        founder: &Founder,
        credential: RegisteredCredential,
        passkey: Passkey,
        ids: (UserId, DeviceId),
    ) -> Result<Self, EnrolError> {
        let (user, device) = ids;
        let key = proven.newcomer.device.public_key();
        let genesis = Genesis {
            rp_id: proven.party.rp_id().to_owned(),
            origins: proven.party.origins().to_vec(),
            gateways_key: proven.gateways.spki().to_vec(),
            gateways_next_key: proven.next_key.clone(),
            recovery_key: founder.recovery_key.clone(),
            admin: Some(User {
                user_id: user.to_string(),
                name: founder.user_name.clone(),
                self_service: true,
                ..User::default()
            }),
            device: Some(Device {
                device_id: device.to_string(),
                key: key.spki().to_vec(),
                name: proven.newcomer.facts.name.clone(),
                tier_cap: TIER_MAX,
            }),
            passkey: Some(passkey),
        };
        let words = founding_words::of(&genesis)?;
        let mut body = new_body()?;
        body.genesis.push(genesis);
        let draft = Draft::new([0; 32], Kind::Genesis, key.fingerprint(), &body);
        Ok(Self {
            proven,
            credential,
            draft,
            user,
            device,
            words,
        })
    }

    /// What to ask the gateway for.
    pub(super) fn message(&self) -> EnrolTouch {
        EnrolTouch {
            body_hash: self.draft.body_hash().to_vec(),
        }
    }

    /// The gateway's origins.
    pub(super) fn origins(&self) -> &[String] {
        self.proven.party.origins()
    }

    /// The words that the page of the touch has to show.
    pub(super) fn touch_words(&self) -> String {
        words(&self.draft.body_hash())
    }

    /// Takes the touch and signs.
    pub(super) fn touched(self, touched: EnrolTouched) -> Result<Signed, EnrolError> {
        let head = touched.head.unwrap_or_default();
        if Head::try_from(&head) != Ok(Head::none()) {
            return Err(EnrolError::OtherHead);
        }
        let touch = touched.assertion;
        let touch = touch.ok_or(EnrolError::Protocol("a touch without an assertion"))?;
        let key =
            CredentialKey::from_cose(self.credential.cose_key()).map_err(EnrolError::Touch)?;
        let id = self.credential.credential_id();
        let challenge = self.draft.touch_challenge();
        assertion::verify(&touch, &key, id, &self.proven.party, &challenge)
            .map_err(EnrolError::Touch)?;
        let placed = self.draft.place(&Head::none());
        let signature = self.proven.newcomer.device.sign(&placed.hash())?;
        let statement = placed.seal(signature, Some(touch));
        let roster = Roster::found(&statement).map_err(EnrolError::Chain)?;
        let gateways = roster.gateways();
        Ok(Signed {
            head: roster.head(),
            gateways: (gateways.current.fingerprint(), gateways.next.fingerprint()),
            user: self.user,
            user_name: self.proven.user_name,
            device: self.device,
            statement,
        })
    }
}
