//! The public key of a credential: a COSE_Key (RFC 9052, section 7; RFC 9053) of one of three algorithms.

use coset::iana::{self, Algorithm, EnumI64};
use coset::{AsCborValue, CoseKey, KeyType, Label, RegisteredLabelWithPrivate};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

use super::{AssertionError, cbor};

/// Fewest bytes of an RSA modulus: 2048 bits.
const RSA_MIN: usize = 256;
/// Most bytes of an RSA modulus: 4096 bits, above which verifying is a way to keep a verifier busy.
const RSA_MAX: usize = 512;

/// A credential's public key whose form was checked. That a point lies on its curve is checked where it verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialKey(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// ES256 with P-256: the uncompressed point.
    P256(Vec<u8>),
    /// EdDSA with Ed25519.
    Ed25519(Vec<u8>),
    /// RS256: modulus and exponent, big endian without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
}

impl CredentialKey {
    /// Reads a COSE_Key as attested credential data hold it.
    ///
    /// # Errors
    /// [`AssertionError::Key`] for another algorithm or curve, for RSA outside 2048 to 4096 bits, for a private key,
    /// and for anything behind the key.
    pub fn from_cose(bytes: &[u8]) -> Result<Self, AssertionError> {
        let value = cbor::parse(bytes).map_err(|_| AssertionError::Key)?;
        let key = CoseKey::from_cbor_value(value).map_err(|_| AssertionError::Key)?;
        form(&key).map(Self).ok_or(AssertionError::Key)
    }

    /// Verifies the signature of an assertion: ECDSA in DER, Ed25519, or RSASSA-PKCS1-v1_5 with SHA-256.
    ///
    /// # Errors
    /// [`AssertionError::Signature`] if it does not verify.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), AssertionError> {
        match &self.0 {
            Form::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Form::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Form::Rsa { modulus, exponent } => RsaPublicKeyComponents {
                n: modulus,
                e: exponent,
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
        }
        .map_err(|_| AssertionError::Signature)
    }
}

fn form(key: &CoseKey) -> Option<Form> {
    let Some(RegisteredLabelWithPrivate::Assigned(algorithm)) = key.alg else {
        return None;
    };
    let KeyType::Assigned(kind) = key.kty else {
        return None;
    };
    match (algorithm, kind) {
        (Algorithm::ES256, iana::KeyType::EC2) => p256(key),
        (Algorithm::EdDSA, iana::KeyType::OKP) => ed25519(key),
        (Algorithm::RS256, iana::KeyType::RSA) => rsa(key),
        _ => None,
    }
}

fn p256(key: &CoseKey) -> Option<Form> {
    use iana::Ec2KeyParameter::{Crv, X, Y};
    is_curve(key, Crv.to_i64(), iana::EllipticCurve::P_256)?;
    let x = bytes(key, X.to_i64())?;
    let y = bytes(key, Y.to_i64())?;
    (key.params.len() == 3 && x.len() == 32 && y.len() == 32)
        .then(|| Form::P256([&[0x04], x, y].concat()))
}

fn ed25519(key: &CoseKey) -> Option<Form> {
    use iana::OkpKeyParameter::{Crv, X};
    is_curve(key, Crv.to_i64(), iana::EllipticCurve::Ed25519)?;
    let x = bytes(key, X.to_i64())?;
    (key.params.len() == 2 && x.len() == 32).then(|| Form::Ed25519(x.to_vec()))
}

fn rsa(key: &CoseKey) -> Option<Form> {
    use iana::RsaKeyParameter::{E, N};
    let modulus = bytes(key, N.to_i64())?;
    let exponent = bytes(key, E.to_i64())?;
    let top = modulus.first().copied().unwrap_or_default();
    let bits =
        (RSA_MIN..=RSA_MAX).contains(&modulus.len()) && (modulus.len() > RSA_MIN || top >= 0x80);
    let canonical = top != 0 && exponent.first().is_some_and(|byte| *byte != 0);
    (key.params.len() == 2 && bits && canonical && exponent.len() <= 4).then(|| Form::Rsa {
        modulus: modulus.to_vec(),
        exponent: exponent.to_vec(),
    })
}

fn bytes(key: &CoseKey, parameter: i64) -> Option<&[u8]> {
    let label = Label::Int(parameter);
    let (_, value) = key.params.iter().find(|(name, _)| *name == label)?;
    value.as_bytes().map(Vec::as_slice)
}

fn is_curve(key: &CoseKey, parameter: i64, curve: iana::EllipticCurve) -> Option<()> {
    let label = Label::Int(parameter);
    let (_, value) = key.params.iter().find(|(name, _)| *name == label)?;
    let number = i64::try_from(value.as_integer()?).ok()?;
    (number == curve.to_i64()).then_some(())
}
