//! What an application does with `Adit-Identity`: step by step as docs/web-applications.md has it.

use std::time::{Duration, SystemTime};

use adit_proto::key::PublicKey;
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;

/// How far clocks may be apart, in seconds.
const SKEW: u64 = 30;

/// The claims of a token of this cluster for `service`.
pub(super) fn verify(token: &str, cluster: &PublicKey, service: &str) -> Result<Value> {
    let header = part(token, 0)?;
    let certificate = header["adit_key"].as_str().context("a certificate")?;
    ensure!(
        header["alg"] == "ES256" && header["typ"] == "adit-identity+jwt",
        "token's type"
    );
    let named = part(certificate, 0)?;
    ensure!(
        named["alg"] == "ES256" && named["typ"] == "adit-key+jwt",
        "certificate's type"
    );
    let certified = signed(certificate, cluster.point()).context("certificate")?;
    let jwk = &certified["cnf"]["jwk"];
    let (x, y) = (decode(&jwk["x"])?, decode(&jwk["y"])?);
    let claims = signed(token, &[&[4][..], &x, &y].concat()).context("token")?;
    for claims in [&certified, &claims] {
        let now = now()?;
        let (from, to) = (claims["iat"].as_u64(), claims["exp"].as_u64());
        ensure!(
            from.context("iat")? <= now + SKEW && now < to.context("exp")? + SKEW,
            "time"
        );
    }
    ensure!(claims["iss"] == certified["iss"], "issuer");
    ensure!(claims["aud"] == service, "audience");
    Ok(claims)
}

fn signed(jws: &str, point: &[u8]) -> Result<Value> {
    let (input, signature) = jws.rsplit_once('.').context("a signature")?;
    let signature = URL_SAFE_NO_PAD.decode(signature)?;
    let checked = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(input.as_bytes(), &signature);
    ensure!(checked.is_ok(), "the signature does not verify");
    part(jws, 1)
}

fn part(jws: &str, at: usize) -> Result<Value> {
    let part = jws.split('.').nth(at).context("a part")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?)
}

fn decode(value: &Value) -> Result<Vec<u8>> {
    Ok(URL_SAFE_NO_PAD.decode(value.as_str().context("a text")?)?)
}

#[expect(clippy::disallowed_methods, reason = "an application's own clock")]
fn now() -> Result<u64> {
    let since: Duration = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(since.as_secs())
}
