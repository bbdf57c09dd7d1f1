//! H6: keys and signatures.

use ciborium::Value;
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::*;

fn cose(entries: &[(i64, Value)]) -> Vec<u8> {
    let entries = entries
        .iter()
        .map(|(label, value)| (Value::from(*label), value.clone()));
    let mut bytes = Vec::new();
    ciborium::into_writer(&Value::Map(entries.collect()), &mut bytes).unwrap();
    bytes
}

fn rsa(modulus: Vec<u8>) -> Vec<u8> {
    cose(&[
        (1, Value::from(3)),
        (3, Value::from(-257)),
        (-1, Value::Bytes(modulus)),
        (-2, Value::Bytes(vec![1, 0, 1])),
    ])
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.trim().as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

#[test]
fn rs256_and_eddsa_verify() {
    let modulus = hex(include_str!("../../../tests/vectors/rs256-modulus.hex"));
    let signature = hex(include_str!("../../../tests/vectors/rs256-signature.hex"));
    let key = CredentialKey::from_cose(&rsa(modulus)).unwrap();
    assert_eq!(key.verify(b"adit rs256 vector", &signature), Ok(()));
    assert!(key.verify(b"adit rs256 vectos", &signature).is_err());
    let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
    let x = pair.public_key().as_ref().to_vec();
    let okp = [
        (1, Value::from(1)),
        (3, Value::from(-8)),
        (-1, Value::from(6)),
        (-2, Value::Bytes(x)),
    ];
    let key = CredentialKey::from_cose(&cose(&okp)).unwrap();
    assert_eq!(key.verify(b"m", pair.sign(b"m").as_ref()), Ok(()));
    assert!(key.verify(b"n", pair.sign(b"m").as_ref()).is_err());
}

#[test]
fn h6_weak_unknown_and_mismatched_keys_are_refused() {
    let ec2 = |alg: i64, crv: i64, x: usize| {
        cose(&[
            (1, Value::from(2)),
            (3, Value::from(alg)),
            (-1, Value::from(crv)),
            (-2, Value::Bytes(vec![1; x])),
            (-3, Value::Bytes(vec![1; 32])),
        ])
    };
    let private = cose(&[
        (1, Value::from(2)),
        (3, Value::from(-7)),
        (-1, Value::from(1)),
        (-2, Value::Bytes(vec![1; 32])),
        (-3, Value::Bytes(vec![1; 32])),
        (-4, Value::Bytes(vec![1; 32])),
    ]);
    assert!(CredentialKey::from_cose(&ec2(-7, 1, 32)).is_ok());
    let cases = [
        ("RSA of 1024 bits", rsa(vec![0xff; 128])),
        (
            "RSA of 2047 bits",
            rsa([vec![0x7f], vec![0xff; 255]].concat()),
        ),
        ("RSA of 8192 bits", rsa(vec![0xff; 1024])),
        ("leading zero", rsa([vec![0], vec![0xff; 256]].concat())),
        ("ES384", ec2(-35, 2, 32)),
        ("ES256 on P-384", ec2(-7, 2, 32)),
        ("EdDSA on EC2", ec2(-8, 1, 32)),
        ("unknown algorithm", ec2(-65535, 1, 32)),
        ("short coordinate", ec2(-7, 1, 31)),
        ("private key", private),
        ("trailing byte", [ec2(-7, 1, 32), vec![0]].concat()),
        ("nothing", Vec::new()),
    ];
    for (name, bytes) in cases {
        assert_eq!(
            CredentialKey::from_cose(&bytes),
            Err(AssertionError::Key),
            "{name}"
        );
    }
}

#[test]
fn h6_a_point_off_the_curve_verifies_nothing() {
    let authenticator = authenticator();
    let mut bytes = authenticator.cose_key().unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let off = CredentialKey::from_cose(&bytes).unwrap();
    let assertion = Ceremony::get(RP_ID, ORIGIN, &CHALLENGE).sign(&authenticator);
    let id = authenticator.credential_id();
    let error = verify(&assertion, &off, id, &relying_party(), &CHALLENGE).unwrap_err();
    assert_eq!(error, AssertionError::Signature);
}

/// The order of P-256, big endian (SEC 2, section 2.4.2).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The other signature that verifies as well: s becomes the order less s.
fn twin(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature[2..].split_at(2 + usize::from(signature[3]));
    let s = &s[2..];
    let mut low = [0; 32];
    let start = s.len().saturating_sub(32);
    low[32 - (s.len() - start)..].copy_from_slice(&s[start..]);
    let (mut other, mut borrow) = ([0_u8; 32], false);
    for place in (0..32).rev() {
        let (first, under) = ORDER[place].overflowing_sub(low[place]);
        let (second, again) = first.overflowing_sub(u8::from(borrow));
        other[place] = second;
        borrow = under || again;
    }
    let leading = other.iter().take_while(|byte| **byte == 0).count();
    let mut magnitude = other[leading..].to_vec();
    if magnitude[0] >= 0x80 {
        magnitude.insert(0, 0);
    }
    let s = [
        &[0x02, u8::try_from(magnitude.len()).unwrap()],
        magnitude.as_slice(),
    ]
    .concat();
    let length = u8::try_from(r.len() + s.len()).unwrap();
    [&[0x30, length], r, &s].concat()
}

#[test]
fn h6_a_signature_with_a_high_s_proves_what_its_twin_does_and_nothing_else() {
    let authenticator = authenticator();
    let mut assertion = Ceremony::get(RP_ID, ORIGIN, &CHALLENGE).sign(&authenticator);
    let (key, id) = (key_of(&authenticator), authenticator.credential_id());
    assertion.signature = twin(&assertion.signature);
    assert!(verify(&assertion, &key, id, &relying_party(), &CHALLENGE).is_ok());
    assertion.authenticator_data[36] ^= 1;
    let error = verify(&assertion, &key, id, &relying_party(), &CHALLENGE).unwrap_err();
    assert_eq!(error, AssertionError::Signature);
}
