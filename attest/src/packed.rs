//! Format `packed` as self attestation (Web Authentication Level 3, section 8.2): the device key signs for itself.
//!
//! It shows that the holder of the key made this evidence in this connection, and nothing about where the key lives.

use adit_proto::key::PublicKey;
use adit_proto::label::Hash;
use ciborium::Value;

use crate::evidence::{AttestedKey, EvidenceError, Tier, members};

/// The name of the format.
pub const FORMAT: &str = "packed";

/// COSE algorithm ES256: ECDSA with SHA-256 (RFC 9053, section 2.1).
const ES256: i64 = -7;

/// Encodes a self attestation whose `signature` (ECDSA with SHA-256 in DER) is over the evidence digest.
#[must_use]
pub fn statement(signature: &[u8]) -> Vec<u8> {
    let text = |name: &str| Value::Text(name.to_owned());
    let statement = Value::Map(vec![
        (text("alg"), Value::Integer(ES256.into())),
        (text("sig"), Value::Bytes(signature.to_vec())),
    ]);
    let envelope = Value::Map(vec![
        (text("fmt"), text(FORMAT)),
        (text("attStmt"), statement),
    ]);
    let mut bytes = Vec::new();
    // Writing into a Vec cannot fail; an empty result would be refused by every verifier.
    if ciborium::into_writer(&envelope, &mut bytes).is_err() {
        bytes.clear();
    }
    bytes
}

pub(crate) fn verify(
    statement: Value,
    key: &PublicKey,
    digest: &Hash,
) -> Result<AttestedKey, EvidenceError> {
    let entries = members(statement)?;
    // A certificate chain would make it another statement (section 8.2.1); nobody here would verify it.
    let [(alg, algorithm), (sig, signature)] = entries.as_slice() else {
        return Err(EvidenceError::Members);
    };
    let (Value::Integer(algorithm), Value::Bytes(signature)) = (algorithm, signature) else {
        return Err(EvidenceError::Members);
    };
    if alg != "alg" || sig != "sig" {
        return Err(EvidenceError::Members);
    }
    if *algorithm != ES256.into() {
        return Err(EvidenceError::Algorithm);
    }
    key.verify(digest, signature)
        .map_err(|_| EvidenceError::Signature)?;
    Ok(AttestedKey::new(key.clone(), Tier::Identified))
}
