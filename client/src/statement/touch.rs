//! The touch over a statement's body: asked for at the gateway, verified here.

use adit_proto::Reason;
use adit_proto::assertion::{self, CredentialKey, RelyingParty};
use adit_proto::key::Fingerprint;
use adit_proto::roster::Passkey;
use adit_proto::statement::Draft;
use adit_proto::time::UnixMillis;
use adit_proto::wire::identity::Assertion;
use adit_proto::words::words;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::Desk;
use crate::api::ask as call;
use crate::clock;
use crate::exit::Failure;
use crate::talk::Talk;

/// Proof that a passkey of the signer's owner touched a draft's body. Only [`verified`] makes it.
#[derive(Clone, Debug)]
pub(super) struct Touched {
    draft: Draft,
    assertion: Assertion,
}

impl Touched {
    /// What was touched.
    pub(super) fn draft(&self) -> &Draft {
        &self.draft
    }

    /// The assertion as sent.
    pub(super) fn assertion(&self) -> &Assertion {
        &self.assertion
    }
}

/// A passkey that may touch.
#[derive(Clone, Debug)]
pub(super) struct Toucher {
    pub(super) credential_id: Vec<u8>,
    pub(super) key: CredentialKey,
}

impl From<&Passkey> for Toucher {
    fn from(passkey: &Passkey) -> Self {
        Self {
            credential_id: passkey.credential_id.clone(),
            key: passkey.key.clone(),
        }
    }
}

#[derive(Deserialize)]
struct Begun {
    touch_id: String,
    url: String,
    expires_ms: u64,
}

#[derive(Deserialize)]
struct Answer {
    assertion: Option<AssertionJson>,
}

/// An assertion as the API writes it: base64.
#[derive(Deserialize)]
struct AssertionJson {
    credential_id: String,
    client_data_json: String,
    authenticator_data: String,
    signature: String,
}

/// Whose touch is wanted over what.
pub(super) struct Asked<'a> {
    /// The signer's passkeys.
    pub(super) touchers: Vec<Toucher>,
    /// The key that signs the statement.
    pub(super) signer: Fingerprint,
    /// The statement without its place.
    pub(super) draft: &'a Draft,
    /// The tab that goes on to the touch, if one is open.
    pub(super) tab: Option<&'a str>,
}

/// Asks for the touch and waits for it.
pub(super) async fn ask(
    desk: &impl Desk,
    talk: &Talk,
    party: &RelyingParty,
    asked: &Asked<'_>,
) -> Result<Touched, Failure> {
    let draft = asked.draft;
    let body = json!({
        "kind": u32::from(draft.kind()),
        "signer": STANDARD.encode(asked.signer.0),
        "body_hash": STANDARD.encode(draft.body_hash()),
        "ceremony_id": asked.tab,
    });
    let begun: Begun = call(desk.api(), Method::POST, "/v1/touches", Some(body)).await?;
    let place = if asked.tab.is_some() {
        "in the same tab"
    } else {
        "on the page that opens"
    };
    talk.ask(&format!(
        "Touch your key {place}, if it shows these words: {}",
        words(&draft.body_hash())
    ));
    let _page = if asked.tab.is_some() {
        desk.goes_on(&begun.url).await?
    } else {
        Some(desk.show(&begun.url).await?)
    };
    let path = format!("/v1/touches/{}", begun.touch_id);
    loop {
        // The gateway answers when there is something to say, or after 25 s.
        let answer: Answer = call(desk.api(), Method::GET, &path, None).await?;
        if let Some(assertion) = answer.assertion {
            return verified(party, asked, assertion.decode()?);
        }
        if clock::now() >= UnixMillis(begun.expires_ms) {
            return Err(Failure::of(Reason::TouchExpired, "nobody touched in time"));
        }
    }
}

/// Verifies that one of the passkeys touched the body of the draft, and nothing else.
pub(super) fn verified(
    party: &RelyingParty,
    asked: &Asked<'_>,
    touch: Assertion,
) -> Result<Touched, Failure> {
    let invalid = |text: &str| {
        Failure::of(Reason::TouchInvalid, text)
            .repaired_by("nothing was signed; if it happens again, tell the other admins: the gateway may be hostile")
    };
    let mut known = asked.touchers.iter();
    let passkey = known
        .find(|known| known.credential_id == touch.credential_id)
        .ok_or_else(|| invalid("the gateway returned the touch of another person"))?;
    let (key, id) = (&passkey.key, &passkey.credential_id);
    assertion::verify(&touch, key, id, party, &asked.draft.touch_challenge()).map_err(|error| {
        invalid(&format!(
            "the gateway returned another touch than was asked for: {error}"
        ))
    })?;
    Ok(Touched {
        draft: asked.draft.clone(),
        assertion: touch,
    })
}

impl AssertionJson {
    fn decode(&self) -> Result<Assertion, Failure> {
        let bytes = |text: &str| {
            STANDARD.decode(text).map_err(|_| {
                Failure::of(
                    Reason::VersionUnsupported,
                    "the gateway's assertion cannot be read",
                )
            })
        };
        Ok(Assertion {
            credential_id: bytes(&self.credential_id)?,
            client_data_json: bytes(&self.client_data_json)?,
            authenticator_data: bytes(&self.authenticator_data)?,
            signature: bytes(&self.signature)?,
        })
    }
}
