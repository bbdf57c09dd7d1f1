//! Answers a ceremony page with the software authenticator of `proto`.

use std::path::{Path, PathBuf};

use adit_proto::label::Hash;
use adit_proto::software_authenticator::SoftwareAuthenticator;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use ring::rand::SystemRandom;
use serde_json::{Value, json};
use url::{Host, Url};

use super::web;
use crate::browser::{Caller, Page};
use crate::exit::Failure;
use crate::private_file;

/// The file of the first software passkey in a profile's directory; further ones have a number behind it.
const FILE: &str = "software-passkey";
/// Most software passkeys in a profile: those that a user may have, and as many that came to nothing.
const PASSKEYS_MAX: usize = 32;

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("the software authenticator failed: {error}"))
}

/// Answers `page` with the passkey in `directory`, which a registration makes, and goes back to the agent where the
/// page would.
pub(super) async fn answer(page: &Page, caller: &Caller, directory: &Path) -> Result<(), Failure> {
    let roots = caller.variable("ADIT_AUTHENTICATOR_CA").map(PathBuf::from);
    let roots = roots.as_deref();
    let at = |what: &str| {
        let mut url = page.url().clone();
        url.set_path(&format!("{}/{what}", page.url().path()));
        url
    };
    let nothing = json!({});
    let options = web::request(Method::POST, &at("options"), Some(&nothing), roots).await?;
    let credential = credential(page, &options, directory)?;
    let answered = web::request(Method::POST, &at("answer"), Some(&credential), roots).await?;
    if let Some(next) = answered.get("next").and_then(Value::as_str)
        && let Some(callback) = callback(next)
    {
        web::request(Method::GET, &callback, None, None).await?;
    }
    Ok(())
}

/// The agent's own loopback address, the only place outside the gateway that a ceremony leads to.
fn callback(next: &str) -> Option<Url> {
    let url = Url::parse(next).ok()?;
    let loopback = url.host() == Some(Host::Ipv4(std::net::Ipv4Addr::LOCALHOST));
    (url.scheme() == "http" && loopback && url.path() == "/callback").then_some(url)
}

fn credential(page: &Page, options: &Value, directory: &Path) -> Result<Value, Failure> {
    let rng = SystemRandom::new();
    let text = |pointer: &str| {
        let found = options.pointer(pointer).and_then(Value::as_str);
        found.ok_or_else(|| failed(format!("the page says nothing at {pointer}")))
    };
    let challenge: Hash = URL_SAFE_NO_PAD
        .decode(text("/publicKey/challenge")?)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| failed("the challenge is not 32 bytes"))?;
    let origin = page.url().origin().ascii_serialization();
    let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    if text("/kind")? == "register" {
        let rp_id = text("/publicKey/rp/id")?;
        let made = SoftwareAuthenticator::new(rp_id, &rng).map_err(failed)?;
        keep(directory, made.to_bytes().expose())?;
        let registered = made.register(rp_id, &origin, &challenge).map_err(failed)?;
        let response = json!({
            "attestationObject": encoded(&registered.attestation_object),
            "clientDataJSON": encoded(&registered.client_data_json),
            "transports": ["internal"],
        });
        return Ok(public_key_credential(made.credential_id(), &response));
    }
    let held = held(directory, options)?;
    let rp_id = text("/publicKey/rpId")?;
    let assertion = held
        .assert(rp_id, &origin, &challenge, &rng)
        .map_err(failed)?;
    let response = json!({
        "authenticatorData": encoded(&assertion.authenticator_data),
        "clientDataJSON": encoded(&assertion.client_data_json),
        "signature": encoded(&assertion.signature),
        "userHandle": null,
    });
    Ok(public_key_credential(&assertion.credential_id, &response))
}

fn files(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let name = |number: usize| match number {
        0 => FILE.to_owned(),
        number => format!("{FILE}-{number}"),
    };
    (0..PASSKEYS_MAX).map(move |number| directory.join(name(number)))
}

/// Keeps a passkey beside those that are there.
fn keep(directory: &Path, passkey: &[u8]) -> Result<(), Failure> {
    for file in files(directory) {
        if private_file::create(&file, passkey).map_err(failed)? {
            return Ok(());
        }
    }
    Err(failed("there are too many software passkeys here"))
}

/// The first passkey here that the page takes; an empty list takes any.
fn held(directory: &Path, options: &Value) -> Result<SoftwareAuthenticator, Failure> {
    let allowed = options.pointer("/publicKey/allowCredentials");
    let allowed = allowed.and_then(Value::as_array);
    let takes = |held: &SoftwareAuthenticator| {
        let id = URL_SAFE_NO_PAD.encode(held.credential_id());
        allowed.is_none_or(|all| {
            all.is_empty()
                || all
                    .iter()
                    .any(|it| it.get("id").and_then(Value::as_str) == Some(&id))
        })
    };
    for file in files(directory) {
        let Some(stored) = private_file::read(&file).map_err(failed)? else {
            continue;
        };
        let held = SoftwareAuthenticator::from_bytes(&stored, &SystemRandom::new());
        let held = held.map_err(failed)?;
        if takes(&held) {
            return Ok(held);
        }
    }
    Err(failed(
        "no software passkey here is one that the page takes; enrol with it first",
    ))
}

/// What `PublicKeyCredential.toJSON()` gives (Web Authentication Level 3, section 5.1).
fn public_key_credential(id: &[u8], response: &Value) -> Value {
    let id = URL_SAFE_NO_PAD.encode(id);
    json!({
        "id": id,
        "rawId": id,
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
        "response": response,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l7_a_page_leads_to_the_agents_port_and_nowhere_else() {
        assert!(callback("http://127.0.0.1:4711/callback?code=a&state=b").is_some());
        for other in [
            "http://127.0.0.2:4711/callback",
            "http://localhost:4711/callback",
            "https://127.0.0.1:4711/callback",
            "http://127.0.0.1:4711/other",
            "/ceremony/abc",
        ] {
            assert!(callback(other).is_none(), "{other}");
        }
    }

    #[test]
    fn the_passkey_that_was_registered_answers_later() {
        let scratch = tempfile::tempdir().unwrap();
        let origins = ["http://localhost:8080".to_owned()];
        let page = Page::checked("http://localhost:8080/ceremony/x", &origins).unwrap();
        let challenge = URL_SAFE_NO_PAD.encode([7; 32]);
        let register = json!({"kind": "register", "publicKey": {"rp": {"id": "localhost"}, "challenge": challenge}});
        let sign =
            json!({"kind": "touch", "publicKey": {"rpId": "localhost", "challenge": challenge}});
        assert!(credential(&page, &sign, scratch.path()).is_err());
        let made = credential(&page, &register, scratch.path()).unwrap();
        let used = credential(&page, &sign, scratch.path()).unwrap();
        assert_eq!(made["rawId"], used["rawId"]);
        assert!(used["response"]["signature"].is_string());
        let second = credential(&page, &register, scratch.path()).unwrap();
        for passkey in [&made, &second] {
            let allowed = json!([{"type": "public-key", "id": passkey["id"]}]);
            let sign = json!({"kind": "sign-in", "publicKey":
                {"rpId": "localhost", "challenge": challenge, "allowCredentials": allowed}});
            let used = credential(&page, &sign, scratch.path()).unwrap();
            assert_eq!(used["rawId"], passkey["rawId"]);
        }
        let nobodys = json!({"kind": "sign-in", "publicKey":
            {"rpId": "localhost", "challenge": challenge, "allowCredentials": [{"id": "AAAA"}]}});
        assert!(credential(&page, &nobodys, scratch.path()).is_err());
        let foreign =
            json!({"kind": "touch", "publicKey": {"rpId": "example.org", "challenge": challenge}});
        assert!(credential(&page, &foreign, scratch.path()).is_err());
    }
}
