//! JSON Web Signatures with ES256 (RFC 7515, RFC 7518, section 3.4).

use adit_transport::key::DeviceSigner;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::IdentityError;

/// Bytes of each of the two numbers of a signature, and of each coordinate of a point.
const NUMBER: usize = 32;

/// A P-256 key in memory.
pub(super) struct TokenKey(EcdsaKeyPair);

impl TokenKey {
    pub(super) fn generate() -> Result<Self, IdentityError> {
        let rng = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let made =
            EcdsaKeyPair::generate_pkcs8(algorithm, &rng).map_err(|_| IdentityError::Randomness)?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &rng);
        pair.map(Self).map_err(|_| IdentityError::Randomness)
    }

    /// The public half as a JSON Web Key (RFC 7517).
    pub(super) fn public(&self) -> Value {
        // An uncompressed point: a byte that says so, and two coordinates.
        let (x, y) = self
            .0
            .public_key()
            .as_ref()
            .get(1..)
            .and_then(|point| point.split_at_checked(NUMBER))
            .unwrap_or_default();
        let text = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
        json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
    }

    pub(super) fn sign(&self, header: &Value, claims: &Value) -> Result<String, IdentityError> {
        let input = input(header, claims);
        let signature = self
            .0
            .sign(&SystemRandom::new(), input.as_bytes())
            .map_err(|_| IdentityError::Randomness)?;
        Ok(joined(&input, signature.as_ref()))
    }
}

/// The same with a key that gives its signatures in DER. What is signed is base64url and a dot, which nothing else that
/// such a key signs begins with.
pub(super) fn sign(
    key: &dyn DeviceSigner,
    header: &Value,
    claims: &Value,
) -> Result<String, IdentityError> {
    let input = input(header, claims);
    let der = key.sign(input.as_bytes()).map_err(IdentityError::Cluster)?;
    let signature = fixed(&der).ok_or(IdentityError::Signature)?;
    Ok(joined(&input, &signature))
}

fn input(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

fn joined(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The two numbers of a signature in DER (RFC 3279, section 2.2.3), one behind the other.
fn fixed(der: &[u8]) -> Option<[u8; 2 * NUMBER]> {
    let [0x30, length, rest @ ..] = der else {
        return None;
    };
    let (r, rest) = integer(rest).filter(|_| rest.len() == usize::from(*length))?;
    let (s, rest) = integer(rest)?;
    let both: [u8; 2 * NUMBER] = [r, s].concat().try_into().ok()?;
    rest.is_empty().then_some(both)
}

fn integer(der: &[u8]) -> Option<([u8; NUMBER], &[u8])> {
    let [0x02, length, rest @ ..] = der else {
        return None;
    };
    let (digits, rest) = rest.split_at_checked(usize::from(*length))?;
    // A leading zero says that the number is positive.
    let digits = digits.strip_prefix(&[0]).unwrap_or(digits);
    let mut number = [0; NUMBER];
    let begin = NUMBER.checked_sub(digits.len())?;
    number.get_mut(begin..)?.copy_from_slice(digits);
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_in_der_has_two_numbers_of_fixed_length() {
        let der = [0x30, 8, 0x02, 2, 0x00, 0x81, 0x02, 2, 0x01, 0x02];
        let read = fixed(&der).unwrap();
        assert_eq!((read[30], read[31], read[62], read[63]), (0, 0x81, 1, 2));
        let long = [&[0x30, 38, 0x02, 33][..], &[1; 33], &[0x02, 1, 1]].concat();
        for bad in [
            &der[..9],
            &[&der[..], &[0]].concat(),
            &[0x31, 0],
            &[0x30, 2, 0x02, 9],
            &long,
            &[],
        ] {
            assert!(fixed(bad).is_none(), "{bad:?}");
        }
    }
}
