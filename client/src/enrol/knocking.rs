//! The states up to the passkey.

use std::fmt;
use std::sync::Arc;

use adit_proto::assertion::RelyingParty;
use adit_proto::invitation::{Invitation, evidence_digest, registration_challenge, start_digest};
use adit_proto::key::PublicKey;
use adit_proto::label::Hash;
use adit_proto::wire::enrol::{EnrolChallenge, EnrolProof, EnrolStart};
use adit_proto::wire::identity::DeviceFacts;
use adit_transport::key::DeviceSigner;

use super::chain::Chain;
use super::channel::plain;
use super::evidence;
use super::founding::Founder;
use super::{EnrolError, turned::Proven};
use crate::exit::Failure;
use crate::random;

/// Longest name of a device, in characters. It is shown on pages and in lists.
const NAME_MAX: usize = 64;

/// A connection to the gateway, with what its handshake proved.
#[derive(Clone, Debug)]
pub struct Contact {
    /// The key that the gateway proved.
    pub gateways: PublicKey,
    /// 32 bytes of the exporter `EXPORTER-adit-bind`.
    pub bind: [u8; 32],
    /// 32 bytes of the exporter `EXPORTER-adit-evidence`.
    pub evidence: [u8; 32],
}

/// What does not change during an enrolment.
#[derive(Clone)]
pub struct Newcomer {
    /// The invitation.
    pub invitation: Arc<Invitation>,
    /// The device key.
    pub device: Arc<dyn DeviceSigner>,
    /// What the device says of itself.
    pub facts: DeviceFacts,
    /// For the first invitation of a new gateway.
    pub founder: Option<Founder>,
}

impl fmt::Debug for Newcomer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Newcomer")
            .field("device", self.device.public_key())
            .finish_non_exhaustive()
    }
}

/// Nothing was said yet.
#[derive(Debug)]
pub(super) struct Knocking {
    newcomer: Newcomer,
    contact: Contact,
}

/// The invitation's holder has said who it is.
#[derive(Debug)]
pub(super) struct Started {
    newcomer: Newcomer,
    contact: Contact,
    frame: Vec<u8>,
}

impl Knocking {
    /// Checks that the gateway is the invitation's.
    pub(super) fn new(newcomer: Newcomer, contact: Contact) -> Result<Self, EnrolError> {
        let presented = contact.gateways.fingerprint();
        newcomer.invitation.names_gateways(&presented)?;
        Ok(Self { newcomer, contact })
    }

    /// What to say first.
    pub(super) fn message(&self) -> Result<EnrolStart, EnrolError> {
        let key = self.newcomer.invitation.key();
        Ok(EnrolStart {
            invitation_key: key.public().as_bytes().to_vec(),
            signature: key.sign(&start_digest(&self.contact.bind)).to_vec(),
            facts: Some(self.newcomer.facts.clone()),
            client_nonce: random::bytes::<32>()?.to_vec(),
        })
    }

    /// `frame` carried the message.
    pub(super) fn sent(self, frame: Vec<u8>) -> Started {
        Started {
            newcomer: self.newcomer,
            contact: self.contact,
            frame,
        }
    }
}

impl Started {
    /// Takes the challenge, which `frame` carried, and makes the evidence.
    pub(super) fn challenged(
        self,
        frame: &[u8],
        challenge: &EnrolChallenge,
    ) -> Result<(Proven, EnrolProof), EnrolError> {
        let Newcomer {
            invitation,
            device,
            founder,
            ..
        } = &self.newcomer;
        if challenge.genesis != invitation.makes_genesis() {
            return Err(EnrolError::OtherHistory);
        }
        let party = RelyingParty::new(&challenge.rp_id, &challenge.origins)?;
        let nonce = challenge.server_nonce.as_slice().try_into();
        let nonce = nonce.map_err(|_| EnrolError::Protocol("a nonce of another length"))?;
        let digest = evidence_digest(&self.frame, frame, &self.contact.evidence);
        let proof = EnrolProof {
            attestation: evidence::packed(device.as_ref(), &digest)?,
            user_name: founder
                .as_ref()
                .map_or_else(String::new, |it| it.user_name.clone()),
            ..EnrolProof::default()
        };
        let key = invitation.key().public();
        let print = device.public_key().fingerprint();
        let registration: Hash = registration_challenge(&print, &key.fingerprint(), &nonce);
        let chain = Chain::new(*invitation.genesis(), key);
        let user_name = match founder {
            Some(founder) => founder.user_name.clone(),
            None => plain(&challenge.user_name),
        };
        let proven = Proven {
            newcomer: self.newcomer,
            gateways: self.contact.gateways,
            next_key: challenge.gateways_next_key.clone(),
            party,
            user_name,
            registration,
            chain,
        };
        Ok((proven, proof))
    }
}

/// What this machine says of itself. Nothing depends on it but what pages and lists show.
///
/// # Errors
/// When the running program's system has no name.
pub fn facts_of_this_machine() -> Result<DeviceFacts, Failure> {
    let system = rustix::system::uname();
    let name: String = plain(&system.nodename().to_string_lossy())
        .trim()
        .chars()
        .take(NAME_MAX)
        .collect();
    if name.is_empty() {
        return Err(Failure::new("this machine has no host name").repaired_by("give it one"));
    }
    Ok(DeviceFacts {
        name,
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        client_version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}
