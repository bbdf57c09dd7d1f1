//! Evidence of devices: parsers and verifiers. No I/O.
//!
//! Evidence travels as CBOR `{fmt, attStmt}`: a WebAuthn attestation object without `authData`, as in ACME
//! device-attest-01. A format adds a module here and changes no message.

pub mod evidence;
pub mod packed;

pub use evidence::{AttestedKey, EvidenceError, Tier, verify};
