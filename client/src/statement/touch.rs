//! The touch over a statement's body: asked for at the gateway, verified here.

use adit_proto::Reason;
use adit_proto::assertion;
use adit_proto::id::UserId;
use adit_proto::key::Fingerprint;
use adit_proto::roster::Roster;
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

/// Proof that an active passkey of the signer's owner touched a draft's body. Only [`verified`] makes it.
#[derive(Clone, Debug)]
pub(super) struct Touched(Assertion);

impl Touched {
    /// The assertion as sent.
    pub(super) fn assertion(&self) -> &Assertion {
        &self.0
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
    /// Whose passkey.
    pub(super) owner: UserId,
    /// The key that signs the statement.
    pub(super) signer: Fingerprint,
    /// The statement without its place.
    pub(super) draft: &'a Draft,
}

/// Asks for the touch and waits for it.
pub(super) async fn ask(
    desk: &impl Desk,
    talk: &Talk,
    roster: &Roster,
    asked: &Asked<'_>,
) -> Result<Touched, Failure> {
    let draft = asked.draft;
    let body = json!({
        "kind": u32::from(draft.kind()),
        "signer": STANDARD.encode(asked.signer.0),
        "body_hash": STANDARD.encode(draft.body_hash()),
    });
    let begun: Begun = call(desk.api(), Method::POST, "/v1/touches", Some(body)).await?;
    talk.say(format!(
        "Touch your key on the page that opens, if it shows these words: {}",
        words(&draft.body_hash())
    ));
    let _page = desk.show(&begun.url).await?;
    let path = format!("/v1/touches/{}", begun.touch_id);
    loop {
        // The gateway answers when there is something to say, or after 25 s.
        let answer: Answer = call(desk.api(), Method::GET, &path, None).await?;
        if let Some(assertion) = answer.assertion {
            return verified(roster, asked, assertion.decode()?);
        }
        if clock::now() >= UnixMillis(begun.expires_ms) {
            return Err(Failure::of(Reason::TouchExpired, "nobody touched in time"));
        }
    }
}

/// Verifies that an active passkey of the owner touched the body of the draft, and nothing else.
pub(super) fn verified(
    roster: &Roster,
    asked: &Asked<'_>,
    touch: Assertion,
) -> Result<Touched, Failure> {
    let invalid = |text: &str| {
        Failure::of(Reason::TouchInvalid, text)
            .repaired_by("nothing was signed; if it happens again, tell the other admins: the gateway may be hostile")
    };
    let passkey = roster
        .active_passkey(&touch.credential_id)
        .filter(|passkey| passkey.owner == asked.owner)
        .ok_or_else(|| invalid("the gateway returned the touch of another person"))?;
    let party = roster.relying_party();
    let (key, id) = (&passkey.key, &passkey.credential_id);
    assertion::verify(&touch, key, id, party, &asked.draft.touch_challenge()).map_err(|error| {
        invalid(&format!(
            "the gateway returned another touch than was asked for: {error}"
        ))
    })?;
    Ok(Touched(touch))
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
