use adit_proto::key::PublicKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use super::*;
use crate::clock::TestClock;
use adit_transport::key::PrivateKey;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// Verifies as docs/web-applications.md says: with nothing but the cluster's public key, the service and the time.
pub(in crate::web) fn verify(
    token: &str,
    cluster: &PublicKey,
    service: &str,
    now: UnixMillis,
) -> Result<Value, &'static str> {
    let header = part(token, 0);
    if header["alg"] != "ES256" || header["typ"] != "adit-identity+jwt" {
        return Err("another kind of token");
    }
    let certificate = header["adit_key"].as_str().ok_or("no certificate")?;
    let certified = part(certificate, 0);
    if certified["alg"] != "ES256" || certified["typ"] != "adit-key+jwt" {
        return Err("another kind of certificate");
    }
    check(certificate, cluster.point())?;
    let certified = part(certificate, 1);
    let jwk = &certified["cnf"]["jwk"];
    let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    check(token, &[&[4][..], &number("x"), &number("y")].concat())?;
    let claims = part(token, 1);
    let good = |claims: &Value| {
        let now = seconds(now);
        claims["iat"].as_u64().unwrap() <= now && now < claims["exp"].as_u64().unwrap()
    };
    if !good(&certified) || !good(&claims) {
        return Err("expired");
    }
    if claims["iss"] != certified["iss"] || claims["aud"] != service {
        return Err("for another service");
    }
    Ok(claims)
}

fn part(jws: &str, at: usize) -> Value {
    let part = jws.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn check(jws: &str, point: &[u8]) -> Result<(), &'static str> {
    let (input, signature) = jws.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(input.as_bytes(), &signature)
        .map_err(|_| "signature")
}

struct Rig {
    cluster: PublicKey,
    clock: Arc<TestClock>,
    identities: Identities,
}

fn rig() -> Rig {
    let key = PrivateKey::generate(&SystemRandom::new()).unwrap();
    let cluster = key.public_key().clone();
    let clock = TestClock::at(NOW);
    let name = "prod".parse().unwrap();
    let identities = Identities::new(&name, key.into_signer(), clock.clone());
    Rig {
        cluster,
        clock,
        identities,
    }
}

impl Rig {
    fn token(&self, target: &str) -> String {
        let asker = Asker {
            actor: Actor {
                user_id: "usr_1".to_owned(),
                user_name: "anna@example.com".to_owned(),
                ..Actor::default()
            },
            groups: vec!["devs".to_owned()],
            target: target.to_owned(),
        };
        let token = self.identities.token(&asker).unwrap();
        token.to_str().unwrap().to_owned()
    }

    fn verify(&self, token: &str, service: &str) -> Result<Value, &'static str> {
        verify(token, &self.cluster, service, self.clock.wall())
    }
}

#[test]
fn h14_a_token_is_good_for_one_service_and_a_minute() {
    let rig = rig();
    let token = rig.token("service/prod/wiki");
    let claims = rig.verify(&token, "service/prod/wiki").unwrap();
    assert_eq!(claims["preferred_username"], "anna@example.com");
    assert_eq!(
        (&claims["sub"], &claims["groups"]),
        (&json!("usr_1"), &json!(["devs"]))
    );
    assert_eq!(claims["iss"], "cluster/prod");
    assert_eq!(
        rig.verify(&token, "service/prod/shop"),
        Err("for another service")
    );
    rig.clock.advance(LIFE);
    assert_eq!(rig.verify(&token, "service/prod/wiki"), Err("expired"));
}

#[test]
fn h14_another_clusters_key_an_altered_claim_or_a_foreign_certificate_does_not_verify() {
    let (rig, other) = (rig(), self::rig());
    let token = rig.token("service/prod/wiki");
    assert_eq!(other.verify(&token, "service/prod/wiki"), Err("signature"));
    let words: Vec<_> = token.split('.').collect();
    let mut claims = part(&token, 1);
    claims["preferred_username"] = json!("root@example.com");
    let altered = URL_SAFE_NO_PAD.encode(claims.to_string());
    let altered = format!("{}.{altered}.{}", words[0], words[2]);
    assert_eq!(rig.verify(&altered, "service/prod/wiki"), Err("signature"));
    // Somebody else's token under this cluster's certificate.
    let theirs = other.token("service/prod/wiki");
    let theirs: Vec<_> = theirs.split('.').collect();
    let mixed = format!("{}.{}.{}", words[0], theirs[1], theirs[2]);
    assert_eq!(rig.verify(&mixed, "service/prod/wiki"), Err("signature"));
}

#[test]
fn a_token_key_is_used_for_an_hour_and_its_certificate_outlives_its_last_token() {
    let rig = rig();
    let key = |token: &str| part(token, 0)["adit_key"].clone();
    let first = rig.token("service/prod/wiki");
    rig.clock
        .advance(KEY_LIFE.saturating_sub(Duration::from_secs(1)));
    let last = rig.token("service/prod/wiki");
    assert_eq!(key(&first), key(&last));
    rig.clock
        .advance(LIFE.saturating_sub(Duration::from_secs(1)));
    assert!(rig.verify(&last, "service/prod/wiki").is_ok());
    let next = rig.token("service/prod/wiki");
    assert_ne!(key(&next), key(&last));
    assert!(rig.verify(&next, "service/prod/wiki").is_ok());
}
