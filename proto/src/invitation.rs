//! The invitation: text that holds a signing key, with which a person enrols one device and one passkey.
//!
//! The seed reaches no server and no page: what leaves the device is the public key and signatures by it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::address::HostPort;
use crate::key::{Fingerprint, InvitationPublicKey};
use crate::label::{ENROL_EVIDENCE, ENROL_START, Hash, INVITATION, REGISTER, digest, sha256};
use crate::secret::Secret;

/// What the text begins with.
const PREFIX: &str = "adit1-";
/// Version of the content.
const VERSION: u8 = 1;
/// How many bytes of the gateways' key fingerprint the text carries: 128 bits, which no attacker can meet.
const GATEWAYS: usize = 16;
/// Longest text that is looked at: the fixed part and a host name of 253 characters, with room.
const TEXT_MAX: usize = 1024;

/// Why a text or a gateway is refused, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// The text does not begin as an invitation does.
    #[error("this is not an invitation: paste the whole text that begins with adit1-")]
    NotAnInvitation,
    /// The text is cut, mistyped or longer than any invitation.
    #[error("the invitation is damaged: copy it again, from adit1- to its last character")]
    Damaged,
    /// The text is of another version.
    #[error("the invitation is of version {0}: install the newest adit")]
    Version(u8),
    /// Whoever answers at the address has another key than the invitation names.
    #[error(
        "the gateway at that address is not the one that the invitation names: do not go on, and tell the admin who invited you"
    )]
    OtherGateways,
}

/// An invitation as its text says it.
#[derive(Clone, Debug)]
pub struct Invitation {
    seed: Secret<[u8; 16]>,
    gateways: [u8; GATEWAYS],
    genesis: Hash,
    address: HostPort,
}

impl Invitation {
    /// Makes an invitation from 16 random bytes; `genesis` is zero while there is none.
    #[must_use]
    pub fn new(
        seed: Secret<[u8; 16]>,
        gateways: &Fingerprint,
        genesis: Hash,
        address: HostPort,
    ) -> Self {
        let mut prefix = [0; GATEWAYS];
        for (to, from) in prefix.iter_mut().zip(gateways.0) {
            *to = from;
        }
        Self {
            seed,
            gateways: prefix,
            genesis,
            address,
        }
    }

    /// The text that is handed to the person.
    #[must_use]
    pub fn text(&self) -> Secret<String> {
        let address = self.address.to_string();
        let content = Zeroizing::new(
            [
                &[VERSION][..],
                self.seed.expose(),
                &self.gateways,
                &self.genesis,
                address.as_bytes(),
            ]
            .concat(),
        );
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(content.as_slice()));
        Secret::new(format!("{PREFIX}{}", encoded.as_str()))
    }

    /// Reads the text; white space around it and line breaks within are what pasting adds, and are dropped.
    ///
    /// # Errors
    /// [`InvitationError`], which never shows the text.
    pub fn parse(text: &str) -> Result<Self, InvitationError> {
        if text.len() > TEXT_MAX {
            return Err(InvitationError::Damaged);
        }
        let text: Zeroizing<String> = Zeroizing::new(
            text.chars()
                .filter(|letter| !letter.is_whitespace())
                .collect(),
        );
        let encoded = text
            .strip_prefix(PREFIX)
            .ok_or(InvitationError::NotAnInvitation)?;
        let content = URL_SAFE_NO_PAD
            .decode(encoded)
            .map(Zeroizing::new)
            .map_err(|_| InvitationError::Damaged)?;
        let (version, rest) = content.split_first().ok_or(InvitationError::Damaged)?;
        if *version != VERSION {
            return Err(InvitationError::Version(*version));
        }
        Self::parse_content(rest).ok_or(InvitationError::Damaged)
    }

    fn parse_content(content: &[u8]) -> Option<Self> {
        let (seed, rest) = content.split_first_chunk()?;
        let (gateways, rest) = rest.split_first_chunk()?;
        let (genesis, rest) = rest.split_first_chunk()?;
        let address = std::str::from_utf8(rest).ok()?.parse().ok()?;
        Some(Self {
            seed: Secret::new(*seed),
            gateways: *gateways,
            genesis: *genesis,
            address,
        })
    }

    /// The signing key.
    #[must_use]
    pub fn key(&self) -> InvitationKey {
        InvitationKey::derive(&self.seed)
    }

    /// Hash of the genesis statement; zero on the first invitation of a new gateway.
    #[must_use]
    pub fn genesis(&self) -> &Hash {
        &self.genesis
    }

    /// Whether this is the first invitation of a new gateway, whose enrolment makes the genesis statement.
    #[must_use]
    pub fn makes_genesis(&self) -> bool {
        self.genesis == [0; 32]
    }

    /// Where the gateway is.
    #[must_use]
    pub fn address(&self) -> &HostPort {
        &self.address
    }

    /// The start of the fingerprint of the gateways' key, to pin whom to dial.
    #[must_use]
    pub fn gateways_prefix(&self) -> &[u8; 16] {
        &self.gateways
    }

    /// Checks that whoever answered holds the gateways' key that the invitation names.
    ///
    /// # Errors
    /// [`InvitationError::OtherGateways`] if not.
    pub fn names_gateways(&self, presented: &Fingerprint) -> Result<(), InvitationError> {
        presented
            .0
            .starts_with(&self.gateways)
            .then_some(())
            .ok_or(InvitationError::OtherGateways)
    }
}

/// The Ed25519 key of an invitation, the one kind of key that is not P-256.
pub struct InvitationKey {
    pair: Ed25519KeyPair,
    public: InvitationPublicKey,
}

impl InvitationKey {
    /// Derives the key from the seed: HKDF-SHA256 (RFC 5869) without salt.
    #[expect(
        clippy::expect_used,
        reason = "lengths are constants: 32 bytes are within HKDF's limit, a seed and a public key of Ed25519"
    )]
    fn derive(seed: &Secret<[u8; 16]>) -> Self {
        let mut private = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, seed.expose())
            .expand(INVITATION.as_bytes(), private.as_mut())
            .expect("32 bytes are within HKDF's limit");
        let pair = Ed25519KeyPair::from_seed_unchecked(private.as_ref())
            .expect("any 32 bytes are an Ed25519 seed");
        let public = InvitationPublicKey::from_bytes(pair.public_key().as_ref())
            .expect("ring's Ed25519 public keys are 32 bytes");
        Self { pair, public }
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> InvitationPublicKey {
        self.public
    }

    /// Signs `message` (RFC 8032).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        for (to, from) in bytes.iter_mut().zip(self.pair.sign(message).as_ref()) {
            *to = *from;
        }
        bytes
    }
}

impl fmt::Debug for InvitationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InvitationKey({})", self.public.fingerprint())
    }
}

/// What the invitation key signs in `EnrolStart`, from 32 bytes of the exporter `EXPORTER-adit-bind`.
#[must_use]
pub fn start_digest(exporter: &[u8; 32]) -> Hash {
    digest(ENROL_START, &[exporter])
}

/// The challenge of the passkey's registration: who enrols, by which invitation, in which ceremony.
#[must_use]
pub fn registration_challenge(
    device: &Fingerprint,
    invitation: &Fingerprint,
    nonce: &[u8; 32],
) -> Hash {
    digest(REGISTER, &[&device.0, &invitation.0, nonce])
}

/// What a device's evidence in `EnrolProof` signs. Frames are as sent, each with its length prefix; the exporter
/// is 32 bytes of `EXPORTER-adit-evidence`.
#[must_use]
pub fn evidence_digest(start_frame: &[u8], challenge_frame: &[u8], exporter: &[u8; 32]) -> Hash {
    let transcript = sha256(&[start_frame, challenge_frame].concat());
    digest(ENROL_EVIDENCE, &[&transcript, exporter])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GATEWAYS_KEY: Fingerprint = Fingerprint([0xab; 32]);

    fn invitation() -> Invitation {
        let address = "gw.example.org:443".parse().unwrap();
        Invitation::new(Secret::new([1; 16]), &GATEWAYS_KEY, [2; 32], address)
    }

    #[test]
    fn an_invitation_reads_back_with_the_white_space_of_pasting() {
        let text = invitation().text();
        let (head, tail) = text.expose().split_at(40);
        let read = Invitation::parse(&format!("  {head}\r\n{tail}\n")).unwrap();
        assert_eq!(read.address(), invitation().address());
        assert_eq!(read.genesis(), &[2; 32]);
        assert!(!read.makes_genesis());
        assert_eq!(read.key().public(), invitation().key().public());
        assert_eq!(read.text().expose(), text.expose());
    }

    #[test]
    fn damage_is_told_from_another_version_and_from_other_texts() {
        let text = invitation().text().expose().clone();
        let error = |text: &str| Invitation::parse(text).unwrap_err();
        assert_eq!(error("hello"), InvitationError::NotAnInvitation);
        assert_eq!(error(""), InvitationError::NotAnInvitation);
        assert_eq!(
            error(text.split_at(text.len() - 9).0),
            InvitationError::Damaged
        );
        assert_eq!(
            error(&text.replace("adit1-A", "adit1-_")),
            InvitationError::Version(0xfd)
        );
        assert_eq!(error(&format!("{text}!")), InvitationError::Damaged);
        assert_eq!(error(&"a".repeat(TEXT_MAX + 1)), InvitationError::Damaged);
    }

    #[test]
    fn j3_neither_debug_nor_errors_show_the_seed() {
        let shown = format!("{:?} {:?}", invitation(), invitation().key());
        let text = invitation().text();
        assert!(!shown.contains("1, 1, 1"), "{shown}");
        assert!(!shown.contains(text.expose().as_str()));
        assert!(format!("{:?}", invitation().text()) == "Secret(…)");
    }

    #[test]
    fn j4_a_gateway_with_another_key_is_refused() {
        assert_eq!(invitation().names_gateways(&GATEWAYS_KEY), Ok(()));
        let mut other = GATEWAYS_KEY;
        other.0[15] ^= 1;
        assert_eq!(
            invitation().names_gateways(&other),
            Err(InvitationError::OtherGateways)
        );
    }

    #[test]
    fn the_key_signs_and_differs_from_seed_to_seed() {
        let key = invitation().key();
        let signature = key.sign(b"message");
        assert_eq!(key.public().verify(b"message", &signature), Ok(()));
        let other = InvitationKey::derive(&Secret::new([3; 16]));
        assert!(other.public().verify(b"message", &signature).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}", bytes: Vec<u8>) {
            let _ = Invitation::parse(&text);
            let _ = Invitation::parse(&format!("adit1-{}", URL_SAFE_NO_PAD.encode(bytes)));
        }
    }
}
