//! A device's evidence: WebAuthn's `packed` self attestation (Web Authentication Level 3, section 8.2) without
//! authenticator data, over the enrolment's transcript and its connection.

use adit_proto::label::Hash;
use adit_transport::key::{DeviceSigner, SignError};
use ciborium::Value;

/// COSE's number of ECDSA with SHA-256 (RFC 9053, section 2.1).
const ES256: i64 = -7;

/// Has the key sign `digest` and packs it.
pub(super) fn packed(signer: &dyn DeviceSigner, digest: &Hash) -> Result<Vec<u8>, SignError> {
    let signature = signer.sign(digest)?;
    let text = |text: &str| Value::Text(text.to_owned());
    let statement = Value::Map(vec![
        (text("alg"), Value::Integer(ES256.into())),
        (text("sig"), Value::Bytes(signature)),
    ]);
    let envelope = Value::Map(vec![
        (text("fmt"), text("packed")),
        (text("attStmt"), statement),
    ]);
    let mut bytes = Vec::new();
    ciborium::into_writer(&envelope, &mut bytes).map_err(|_| SignError::Device)?;
    Ok(bytes)
}
