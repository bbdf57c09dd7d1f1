//! The registration of a further passkey: asked for on the connection of a device whose owner is signed in.
//!
//! What comes of it is a registration that this gateway saw, and no passkey yet: that is a statement of the roster, which
//! an earlier passkey touches.

use std::net::IpAddr;

use adit_proto::assertion::{self, RegisteredCredential, RelyingParty, own_passkey_challenge};
use adit_proto::key::Fingerprint;
use adit_proto::label::Hash;
use adit_proto::roster::{Device, Roster};
use tokio::time::Instant;

use super::answer::{challenge, read};
use super::begin::user_handle;
use super::record::{Detail, Kind, Outcome};
use super::{Begun, Ceremonies, CeremonyError, CeremonyId, RegisterAsk, Registered};

impl Ceremonies {
    /// Begins the registration of a further passkey of the device's owner; also gives the gateway's half of the
    /// challenge. The tab waits for the touch.
    ///
    /// # Errors
    /// As [`Ceremonies::begin_register`].
    pub async fn begin_further(
        &self,
        roster: &Roster,
        device: &Device,
        clients_nonce: &Hash,
        source: IpAddr,
    ) -> Result<(Begun, Hash), CeremonyError> {
        let nonce = self.entropy.bytes();
        let fingerprint = device.key.fingerprint();
        let owner = roster.user(device.owner).ok_or(CeremonyError::NoPasskey)?;
        // Removed ones too: the roster takes no credential twice.
        let theirs = roster.passkeys().filter(|it| it.owner == owner.id);
        let ask = RegisterAsk {
            device: fingerprint,
            device_name: device.name.clone(),
            user_name: owner.name.clone(),
            user_handle: user_handle(owner.id),
            exclude: theirs.map(|it| it.credential_id.clone()).collect(),
            source_address: source.to_string(),
            challenge: own_passkey_challenge(
                &roster.genesis(),
                &fingerprint,
                clients_nonce,
                &nonce,
            ),
            relying_party: roster.relying_party().clone(),
            further: true,
        };
        Ok((self.begin_register(ask).await?, nonce))
    }

    /// Waits until a registration that `device` asked for was answered, at most until `deadline`.
    ///
    /// # Errors
    /// As [`Ceremonies::registration`]; [`CeremonyError::Gone`] for one of another device.
    ///
    /// # Cancel safety
    /// Nothing is lost: the outcome stays in the store.
    pub async fn registration_of(
        &self,
        id: CeremonyId,
        device: Fingerprint,
        deadline: Instant,
    ) -> Result<Registered, CeremonyError> {
        self.of_device(id, device).await?;
        self.registration(id, deadline).await
    }

    /// The further passkey that came of a registration which `device` asked for.
    ///
    /// # Errors
    /// [`CeremonyError::Gone`] for another device's, for one of another kind, and while there is none.
    pub async fn further_passkey(
        &self,
        id: CeremonyId,
        device: Fingerprint,
    ) -> Result<RegisteredCredential, CeremonyError> {
        let row = self.of_device(id, device).await?;
        let detail: Detail = read(&row.detail)?;
        let outcome: Outcome = read(&row.outcome.ok_or(CeremonyError::Gone)?)?;
        let (
            Kind::Further,
            Outcome::Registered {
                attestation_object,
                client_data_json,
            },
        ) = (detail.subject.kind(), outcome)
        else {
            return Err(CeremonyError::Gone);
        };
        let party =
            RelyingParty::new(&detail.rp_id, &detail.origins).map_err(|_| CeremonyError::Record)?;
        let challenge = challenge(&detail)?;
        let seen =
            assertion::registered(&attestation_object, &client_data_json, &party, &challenge)?;
        Ok(seen)
    }
}
