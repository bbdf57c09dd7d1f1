//! The envelope `{fmt, attStmt}`, and which format's verifier judges it.
//!
//! Only the deterministic encoding is taken (RFC 8949, section 4.2.1, without its order of keys): definite lengths,
//! shortest integers, no key twice, nothing after the end. Whatever encodes again to other bytes is refused.

use adit_proto::key::PublicKey;
use adit_proto::label::Hash;
use ciborium::Value;

use crate::packed;

/// How long evidence may be, in bytes. A TPM's statement with its chain is about 4 KiB; a stranger sends at most this.
pub const MAX_BYTES: usize = 16 << 10;

/// How deep evidence may nest. `{fmt, attStmt: {x5c: [bytes]}}` is 3 deep; what is deeper is no format that we know.
const MAX_DEPTH: usize = 8;

/// How well a device's key is protected. Ordered: policy says `device.tier >= n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// A key in a file.
    Identified = 1,
    /// A key in hardware whose maker cannot be verified.
    Bound = 2,
    /// A key certified by a TPM of a known maker.
    Attested = 3,
    /// Tier 3 and a fresh quote with Secure Boot on.
    Measured = 4,
}

impl Tier {
    /// The number that the roster and policy use.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32
    }
}

/// Why evidence is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// It is longer than [`MAX_BYTES`].
    #[error("the evidence is longer than 16 KiB")]
    TooLong,
    /// It is not CBOR in the deterministic encoding.
    #[error("the evidence is not deterministic CBOR")]
    Malformed,
    /// Its members are not those of `{fmt, attStmt}` or of the format.
    #[error("the evidence has other members than its format has")]
    Members,
    /// The format is not known to this version.
    #[error("the format of the evidence is not known")]
    UnknownFormat,
    /// The algorithm is not that of the key.
    #[error("the evidence names another algorithm than the key's")]
    Algorithm,
    /// The signature does not verify.
    #[error("the evidence's signature does not verify")]
    Signature,
}

/// A device key whose holder signed this connection's evidence digest. Only [`verify`] makes one.
#[derive(Clone, Debug)]
pub struct AttestedKey {
    key: PublicKey,
    tier: Tier,
}

impl AttestedKey {
    pub(crate) fn new(key: PublicKey, tier: Tier) -> Self {
        Self { key, tier }
    }

    /// The device key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The tier that the evidence shows.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.tier
    }
}

/// Verifies `evidence` of the holder of `key` over `digest`
/// ([`adit_proto::invitation`] computes it from the transcript and the connection's exporter).
///
/// # Errors
/// [`EvidenceError`], one variant for each cause.
pub fn verify(
    evidence: &[u8],
    key: &PublicKey,
    digest: &Hash,
) -> Result<AttestedKey, EvidenceError> {
    let entries = members(parse(evidence)?)?;
    let [(fmt, format), (stmt, statement)] = entries.as_slice() else {
        return Err(EvidenceError::Members);
    };
    if fmt != "fmt" || stmt != "attStmt" {
        return Err(EvidenceError::Members);
    }
    let format = format.as_text().ok_or(EvidenceError::Members)?;
    if format != packed::FORMAT {
        return Err(EvidenceError::UnknownFormat);
    }
    packed::verify(statement.clone(), key, digest)
}

/// A map with text keys, in its order.
pub(crate) fn members(value: Value) -> Result<Vec<(String, Value)>, EvidenceError> {
    let Value::Map(entries) = value else {
        return Err(EvidenceError::Members);
    };
    entries
        .into_iter()
        .map(|(name, value)| {
            let name = name.into_text().map_err(|_| EvidenceError::Members)?;
            Ok((name, value))
        })
        .collect()
}

fn parse(evidence: &[u8]) -> Result<Value, EvidenceError> {
    if evidence.len() > MAX_BYTES {
        return Err(EvidenceError::TooLong);
    }
    let value: Value = ciborium::de::from_reader_with_recursion_limit(evidence, MAX_DEPTH)
        .map_err(|_| EvidenceError::Malformed)?;
    let mut again = Vec::with_capacity(evidence.len());
    ciborium::into_writer(&value, &mut again).map_err(|_| EvidenceError::Malformed)?;
    (again == evidence)
        .then_some(value)
        .ok_or(EvidenceError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::statement;
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

    const DIGEST: Hash = [7; 32];

    fn pair() -> (EcdsaKeyPair, PublicKey) {
        let rng = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &rng).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &rng)
            .unwrap();
        let key = PublicKey::from_point(pair.public_key().as_ref()).unwrap();
        (pair, key)
    }

    fn evidence(pair: &EcdsaKeyPair) -> Vec<u8> {
        let signature = pair.sign(&SystemRandom::new(), &DIGEST).unwrap();
        statement(signature.as_ref())
    }

    fn cbor(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).unwrap();
        bytes
    }

    fn envelope(format: &str, statement: Value) -> Vec<u8> {
        let text = |name: &str| Value::Text(name.into());
        cbor(&Value::Map(vec![
            (text("fmt"), text(format)),
            (text("attStmt"), statement),
        ]))
    }

    #[test]
    fn a_key_in_a_file_attests_itself_at_tier_1() {
        let (pair, key) = pair();
        let attested = verify(&evidence(&pair), &key, &DIGEST).unwrap();
        assert_eq!(attested.tier(), Tier::Identified);
        assert_eq!(attested.key(), &key);
    }

    #[test]
    fn evidence_of_another_connection_or_another_key_is_refused() {
        let ((one, key), (_, other)) = (pair(), pair());
        let bytes = evidence(&one);
        let refused = Some(EvidenceError::Signature);
        assert_eq!(verify(&bytes, &key, &[8; 32]).err(), refused);
        assert_eq!(verify(&bytes, &other, &DIGEST).err(), refused);
    }

    #[test]
    fn h8_other_formats_and_algorithms_are_refused() {
        let (pair, key) = pair();
        let text = |name: &str| Value::Text(name.into());
        let statement = |alg: i64| {
            let signature = pair.sign(&SystemRandom::new(), &DIGEST).unwrap();
            Value::Map(vec![
                (text("alg"), Value::Integer(alg.into())),
                (text("sig"), Value::Bytes(signature.as_ref().to_vec())),
            ])
        };
        let judged = |bytes: Vec<u8>| verify(&bytes, &key, &DIGEST).err();
        assert_eq!(judged(envelope("packed", statement(-7))), None);
        let unknown = Some(EvidenceError::UnknownFormat);
        assert_eq!(judged(envelope("tpm", statement(-7))), unknown);
        assert_eq!(judged(envelope("none", Value::Map(vec![]))), unknown);
        let algorithm = Some(EvidenceError::Algorithm);
        assert_eq!(judged(envelope("packed", statement(-8))), algorithm);
        let Value::Map(mut entries) = statement(-7) else {
            unreachable!()
        };
        entries.push((text("x5c"), Value::Array(vec![])));
        let members = Some(EvidenceError::Members);
        assert_eq!(judged(envelope("packed", Value::Map(entries))), members);
    }

    #[test]
    fn h9_trailing_bytes_indefinite_lengths_and_doubled_keys_are_refused() {
        let (pair, key) = pair();
        let good = evidence(&pair);
        let judged = |bytes: &[u8]| verify(bytes, &key, &DIGEST).err();
        let malformed = Some(EvidenceError::Malformed);
        assert_eq!(judged(&[&good[..], &[0]].concat()), malformed);
        let mut indefinite = vec![0xbf];
        indefinite.extend_from_slice(&good[1..]);
        indefinite.push(0xff);
        assert_eq!(judged(&indefinite), malformed);
        let mut doubled = good.clone();
        doubled[0] = 0xa3;
        doubled.extend_from_slice(b"\x63fmt\x66packed");
        assert_eq!(judged(&doubled), Some(EvidenceError::Members));
        for cut in 0..good.len() {
            assert!(judged(&good[..cut]).is_some());
        }
    }

    #[test]
    fn h9_claimed_lengths_and_depth_cost_nothing() {
        let (_, key) = pair();
        let judged = |bytes: &[u8]| verify(bytes, &key, &DIGEST).err();
        let malformed = Some(EvidenceError::Malformed);
        assert_eq!(judged(&[0x5a, 0x04, 0, 0, 0]), malformed);
        assert_eq!(judged(&[0x9b, 0x7f, 0xff, 0, 0, 0, 0, 0, 0]), malformed);
        assert_eq!(judged(&[0x81; 1000]), malformed);
        assert_eq!(
            judged(&vec![0; MAX_BYTES + 1]),
            Some(EvidenceError::TooLong)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let (_, key) = pair();
            prop_assert!(verify(&bytes, &key, &DIGEST).is_err());
        }
    }
}
