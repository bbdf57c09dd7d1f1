//! The states of an enrolment up to the passkey.

use adit_attest::AttestedKey;
use adit_proto::Reason;
use adit_proto::assertion::{self, RegisteredCredential, RelyingParty};
use adit_proto::invitation::{evidence_digest, registration_challenge, start_digest};
use adit_proto::key::{Fingerprint, InvitationPublicKey};
use adit_proto::label::Hash;
use adit_proto::roster::check_name;
use adit_proto::wire::enrol::{EnrolChallenge, EnrolPage, EnrolProof, EnrolStart, frame::Message};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::admission::{Admission, judge, look_up};
use super::placing::Registered;
use super::stream::Stream;
use super::{EnrolError, Enrolments, Peer, Trail};
use crate::ceremony::{Begun, RegisterAsk, user_handle};

/// Longest fact about a device, in characters. It is shown on a page.
const FACT_MAX: usize = 64;

/// Nothing was heard yet.
pub(super) struct Knocked<'a> {
    enrolments: &'a Enrolments,
    peer: Peer,
}

/// The holder of an invitation that admits is on the line.
pub(super) struct Started<'a> {
    pub(super) enrolments: &'a Enrolments,
    pub(super) peer: Peer,
    pub(super) admission: Admission,
    pub(super) invitation: Fingerprint,
    pub(super) device_name: String,
    frame: Bytes,
}

/// The client was asked for evidence.
pub(super) struct Challenged<'a> {
    started: Started<'a>,
    nonce: [u8; 32],
    relying_party: RelyingParty,
    frame: Bytes,
}

/// The device key made its evidence in this connection. Nobody is a stranger from here on.
pub(super) struct Proven<'a> {
    pub(super) started: Started<'a>,
    pub(super) attested: AttestedKey,
    pub(super) relying_party: RelyingParty,
    pub(super) user_name: String,
    nonce: [u8; 32],
}

impl<'a> Knocked<'a> {
    pub(super) fn new(enrolments: &'a Enrolments, peer: Peer) -> Self {
        Self { enrolments, peer }
    }

    /// Takes `EnrolStart`. An unknown invitation key costs one look-up.
    pub(super) async fn start<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        self,
        stream: &mut Stream<R, W>,
        trail: &mut Trail,
    ) -> Result<Started<'a>, EnrolError> {
        let received = stream.read().await?;
        let Message::Start(start) = received.message else {
            return Err(EnrolError::OutOfTurn);
        };
        let key = InvitationPublicKey::from_bytes(&start.invitation_key)
            .map_err(|_| EnrolError::UnknownInvitation)?;
        let roster = self.enrolments.roster.snapshot();
        let first = match &roster {
            Some(_) => None,
            None => self.enrolments.first_invitation().await?,
        };
        let known = look_up(roster.as_deref(), first.as_ref(), &key)?;
        check_start(&start, &key, &self.peer)?;
        let device_name = name_of(&start);
        trail.device_name.clone_from(&device_name);
        let device = self.peer.key.fingerprint();
        let now = self.enrolments.clock.now();
        let admission = judge(known, roster.as_deref(), (&key, &device), now)?;
        if let Admission::User {
            invitation,
            user,
            name,
        } = &admission
        {
            trail.invitation = invitation.to_string();
            trail.user_id = user.to_string();
            trail.user_name.clone_from(name);
        }
        Ok(Started {
            enrolments: self.enrolments,
            peer: self.peer,
            admission,
            invitation: key.fingerprint(),
            device_name,
            frame: received.frame,
        })
    }
}

impl<'a> Started<'a> {
    /// Sends `EnrolChallenge`.
    pub(super) async fn challenge<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        self,
        stream: &mut Stream<R, W>,
    ) -> Result<Challenged<'a>, EnrolError> {
        let nonce: [u8; 32] = self.enrolments.entropy.bytes();
        let roster = self.enrolments.roster.snapshot();
        let party = roster
            .as_deref()
            .map_or(&self.enrolments.relying_party, |roster| {
                roster.relying_party()
            })
            .clone();
        let genesis = self.admission == Admission::Genesis;
        let (user_name, next_key) = match &self.admission {
            Admission::Genesis => (String::new(), self.enrolments.next_key.spki().to_vec()),
            Admission::User { name, .. } => (name.clone(), Vec::new()),
        };
        let challenge = EnrolChallenge {
            server_nonce: nonce.to_vec(),
            genesis,
            rp_id: party.rp_id().to_owned(),
            origins: party.origins().to_vec(),
            user_name,
            gateways_next_key: next_key,
            credential_blob: Vec::new(),
            encrypted_secret: Vec::new(),
        };
        let frame = stream.write(Message::Challenge(challenge)).await?;
        Ok(Challenged {
            started: self,
            nonce,
            relying_party: party,
            frame,
        })
    }
}

impl<'a> Challenged<'a> {
    /// Takes `EnrolProof` and verifies the evidence.
    pub(super) async fn prove<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        self,
        stream: &mut Stream<R, W>,
    ) -> Result<Proven<'a>, EnrolError> {
        let Message::Proof(proof) = stream.read().await?.message else {
            return Err(EnrolError::OutOfTurn);
        };
        let peer = &self.started.peer;
        let digest = evidence_digest(&self.started.frame, &self.frame, &peer.evidence);
        let attested = adit_attest::verify(&proof.attestation, &peer.key, &digest)
            .map_err(|error| EnrolError::refused(Reason::EvidenceInvalid, error.to_string()))?;
        let user_name = user_name(&self.started.admission, &proof)?;
        Ok(Proven {
            attested,
            relying_party: self.relying_party,
            user_name,
            nonce: self.nonce,
            started: self.started,
        })
    }
}

impl<'a> Proven<'a> {
    /// Has the browser register a passkey.
    pub(super) async fn register<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        self,
        stream: &mut Stream<R, W>,
        trail: &mut Trail,
    ) -> Result<Registered<'a>, EnrolError> {
        let peer = &self.started.peer;
        let device = peer.key.fingerprint();
        let challenge = registration_challenge(&device, &self.started.invitation, &self.nonce);
        let ceremonies = &self.started.enrolments.ceremonies;
        let begun = ceremonies.begin_register(self.ask(challenge)).await?;
        trail.tab = Some(begun.id);
        trail.user_name.clone_from(&self.user_name);
        let deadline = Instant::now() + ceremonies.settings().ceremony;
        stream.write(Message::Page(page(&begun))).await?;
        let sent = tokio::select! {
            sent = ceremonies.registration(begun.id, deadline) => sent?,
            gone = stream.disturbed() => return Err(gone),
        };
        let credential =
            self.credential(&sent.attestation_object, &sent.client_data_json, challenge)?;
        Ok(Registered {
            proven: self,
            credential,
            sent,
            tab: begun.id,
        })
    }

    fn ask(&self, challenge: Hash) -> RegisterAsk {
        let started = &self.started;
        let exclude = match &started.admission {
            Admission::Genesis => Vec::new(),
            Admission::User { user, .. } => {
                let roster = started.enrolments.roster.snapshot();
                let known = roster.as_deref().map(|roster| {
                    let passkeys = roster.passkeys_of(*user);
                    passkeys
                        .map(|passkey| passkey.credential_id.clone())
                        .collect()
                });
                known.unwrap_or_default()
            }
        };
        RegisterAsk {
            device: started.peer.key.fingerprint(),
            device_name: started.device_name.clone(),
            user_name: self.user_name.clone(),
            user_handle: self.user_handle(),
            exclude,
            source_address: started.peer.source.ip().to_string(),
            challenge,
            relying_party: self.relying_party.clone(),
            further: false,
        }
    }

    /// The same for all passkeys of a user, and says nothing of who that is.
    fn user_handle(&self) -> [u8; 16] {
        match &self.started.admission {
            Admission::Genesis => self.started.enrolments.entropy.bytes(),
            Admission::User { user, .. } => user_handle(*user),
        }
    }

    fn credential(
        &self,
        attestation_object: &[u8],
        client_data_json: &[u8],
        challenge: Hash,
    ) -> Result<RegisteredCredential, EnrolError> {
        assertion::registered(
            attestation_object,
            client_data_json,
            &self.relying_party,
            &challenge,
        )
        .map_err(|error| EnrolError::refused(Reason::EvidenceInvalid, error.to_string()))
    }
}

pub(super) fn page(begun: &Begun) -> EnrolPage {
    EnrolPage {
        url: begun.url.clone(),
        matching_code: begun.matching_code.clone(),
        expires_ms: begun.expires.0,
    }
}

/// That the holder of the invitation key is at the other end of this connection.
fn check_start(
    start: &EnrolStart,
    key: &InvitationPublicKey,
    peer: &Peer,
) -> Result<(), EnrolError> {
    key.verify(&start_digest(&peer.bind), &start.signature)
        .map_err(|_| {
            let detail = "the invitation's signature is not of this connection";
            EnrolError::refused(Reason::EvidenceInvalid, detail)
        })?;
    if start.client_nonce.len() != 32 {
        let detail = "the client's nonce is not 32 bytes";
        return Err(EnrolError::refused(Reason::RequestMalformed, detail));
    }
    Ok(())
}

fn user_name(admission: &Admission, proof: &EnrolProof) -> Result<String, EnrolError> {
    match admission {
        Admission::User { name, .. } => Ok(name.clone()),
        Admission::Genesis => {
            check_name(&proof.user_name).map_err(|error| {
                EnrolError::refused(Reason::RequestMalformed, error.to_string())
            })?;
            Ok(proof.user_name.clone())
        }
    }
}

/// What a device calls itself, for a page.
fn name_of(start: &EnrolStart) -> String {
    let facts = start.facts.as_ref();
    let stated = facts.map_or("", |facts| facts.name.as_str());
    let name: String = stated
        .chars()
        .filter(|letter| !letter.is_control())
        .take(FACT_MAX)
        .collect();
    if name.trim().is_empty() {
        "a device without a name".to_owned()
    } else {
        name
    }
}
