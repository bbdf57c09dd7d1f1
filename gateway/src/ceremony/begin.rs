//! The first half of a ceremony: what is asked is fixed and stored before a browser sees anything.

use std::time::Duration;

use adit_proto::assertion::RelyingParty;
use adit_proto::id::UserId;
use adit_proto::key::Fingerprint;
use adit_proto::label::{Hash, sha256};
use adit_proto::time::UnixMillis;
use adit_transport::limit::WithinLimit;
use tokio::time::Instant;

use super::id::matching_code;
use super::record::{Detail, Shown, Subject};
use super::relying_party::{self, Ceremonial};
use super::{Ceremonies, CeremonyError, CeremonyId};
use crate::store::ceremonies::NewCeremony;

/// A ceremony that waits for a browser.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Its id.
    pub id: CeremonyId,
    /// The page to open.
    pub url: String,
    /// The code that page and terminal show.
    pub matching_code: String,
    /// When it is gone.
    pub expires: UnixMillis,
}

/// The registration of a passkey during an enrolment.
#[derive(Clone, Debug)]
pub struct RegisterAsk {
    /// The device key that enrols.
    pub device: Fingerprint,
    /// What the device calls itself.
    pub device_name: String,
    /// Whose passkey it becomes.
    pub user_name: String,
    /// 16 bytes that name the user to the authenticator and to nobody else.
    pub user_handle: [u8; 16],
    /// Credentials of the user that exist already.
    pub exclude: Vec<Vec<u8>>,
    /// Where the gateway sees the device.
    pub source_address: String,
    /// [`adit_proto::invitation::registration_challenge`].
    pub challenge: Hash,
    /// Who asks.
    pub relying_party: RelyingParty,
    /// Whether it is a further passkey of somebody who is signed in.
    pub further: bool,
}

/// What names a user to authenticators: the same for all passkeys of a user, and says nothing of who that is.
#[must_use]
pub fn user_handle(user: UserId) -> [u8; 16] {
    let digest = sha256(user.to_string().as_bytes());
    digest.first_chunk().copied().unwrap_or_default()
}

/// A ceremony of any kind, ready to be stored.
pub(super) struct Ask {
    pub(super) id: CeremonyId,
    /// What its finish looks it up by, if that is not the id.
    pub(super) handle: Option<String>,
    pub(super) device: Fingerprint,
    pub(super) detail: Detail,
    pub(super) life: Duration,
}

impl Ceremonies {
    /// Begins the registration of a passkey. The tab waits for what follows.
    ///
    /// # Errors
    /// [`CeremonyError::Webauthn`] if the relying party does not work; [`CeremonyError::Store`].
    pub async fn begin_register(&self, ask: RegisterAsk) -> Result<Begun, CeremonyError> {
        let begun = Ceremonial::new(&ask.relying_party)?.register(
            ask.user_handle,
            &ask.user_name,
            ask.exclude,
            &ask.challenge,
        )?;
        let shown = Shown {
            matching_code: self.matching_code(),
            device: ask.device_name,
            owner: ask.user_name,
            source_address: ask.source_address,
            words: None,
            asked_ms: self.now().0,
        };
        let subject = if ask.further {
            Subject::Further
        } else {
            Subject::Register
        };
        let detail = detail(subject, shown, begun, &ask.challenge, &ask.relying_party);
        let ask = Ask {
            id: self.new_id(),
            handle: None,
            device: ask.device,
            detail: Detail {
                goes_on: true,
                ..detail
            },
            life: self.settings.ceremony,
        };
        self.begin(ask).await
    }

    pub(super) fn new_id(&self) -> CeremonyId {
        CeremonyId::new(self.entropy.bytes())
    }

    pub(super) fn matching_code(&self) -> String {
        matching_code(self.entropy.bytes())
    }

    pub(super) async fn begin(&self, ask: Ask) -> Result<Begun, CeremonyError> {
        let WithinLimit = self
            .begun
            .take(ask.device, Instant::now())
            .ok_or(CeremonyError::TooMany)?;
        let now = self.now();
        let expires = now.after(ask.life);
        let detail = serde_json::to_string(&ask.detail).map_err(|_| CeremonyError::Record)?;
        let id = ask.id.to_string();
        let new = NewCeremony {
            id: &id,
            handle: ask.handle.as_deref(),
            device: &ask.device.0,
            detail: &detail,
            expires,
        };
        self.store.add_ceremony(&new, now).await?;
        Ok(Begun {
            id: ask.id,
            url: self.url(ask.id),
            matching_code: ask.detail.shown.matching_code,
            expires,
        })
    }
}

pub(super) fn detail(
    subject: Subject,
    shown: Shown,
    begun: relying_party::Begun,
    challenge: &Hash,
    party: &RelyingParty,
) -> Detail {
    Detail {
        subject,
        shown,
        options: begun.options,
        state: begun.state,
        challenge: challenge.to_vec(),
        rp_id: party.rp_id().to_owned(),
        origins: party.origins().to_vec(),
        goes_on: false,
    }
}
