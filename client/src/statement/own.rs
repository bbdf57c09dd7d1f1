//! What a user signs for himself: a further passkey, and the end of one.
//!
//! A user sees no more of the log than the agent follows, so that is what the signature rests on. Which passkeys are his
//! is the gateway's word here: a touch with another one makes a statement that every reader refuses.

use adit_proto::Reason;
use adit_proto::assertion::{
    self, CredentialKey, RegisteredCredential, RelyingParty, own_passkey_challenge,
};
use adit_proto::label::Hash;
use adit_proto::roster::check_label;
use adit_proto::statement::{Draft, Kind};
use adit_proto::time::UnixMillis;
use adit_proto::wire::roster::{Body, Own, revocation::Subject};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::proposal::{AddedPasskey, MadeStatement};
use super::touch::{self, Asked, Toucher};
use super::{Desk, Sight, Statements, build, say};
use crate::api::ask as call;
use crate::clock;
use crate::exit::Failure;
use crate::random;
use crate::talk::Talk;

/// The caller's passkeys, as the gateway lists them.
#[derive(Deserialize)]
struct Held {
    passkeys: Vec<HeldPasskey>,
}

#[derive(Deserialize)]
struct HeldPasskey {
    id: String,
    name: String,
    credential_id: String,
    cose_key: String,
    signed_in: bool,
    revoked: Option<String>,
}

impl HeldPasskey {
    fn toucher(&self) -> Result<Toucher, Failure> {
        let key = bytes(&self.cose_key)?;
        Ok(Toucher {
            credential_id: bytes(&self.credential_id)?,
            key: CredentialKey::from_cose(&key).map_err(|_| unreadable())?,
        })
    }
}

#[derive(Deserialize)]
struct Begun {
    registration_id: String,
    url: String,
    matching_code: String,
    nonce: String,
    expires_ms: u64,
}

#[derive(Deserialize)]
struct Answer {
    registration: Option<Sent>,
}

#[derive(Deserialize)]
struct Sent {
    attestation_object: String,
    client_data_json: String,
}

impl Statements {
    /// Has the person make a passkey and approve it with an earlier one, and adds it.
    pub(super) async fn add_passkey(
        &self,
        desk: &impl Desk,
        talk: &Talk,
        name: &str,
    ) -> Result<(MadeStatement, AddedPasskey), Failure> {
        check_label(name).map_err(|error| Failure::new(format!("{name:?}: {error}")))?;
        let roster = desk.follow(1).await?;
        let nonce = random::bytes::<32>()?;
        let asked = json!({ "nonce": STANDARD.encode(nonce) });
        let path = "/v1/passkeys/registrations";
        let begun: Begun = call(desk.api(), Method::POST, path, Some(asked)).await?;
        talk.ask(&format!(
            "Make the new passkey on the page that opens. It shows the code {}.",
            say::printable(&begun.matching_code)
        ));
        let page = desk.show(&begun.url).await?;
        let sent = registration(desk, &begun).await?;
        let theirs = bytes(&begun.nonce)?;
        let theirs: Hash = theirs.try_into().map_err(|_| unreadable())?;
        let signer = self.fingerprint();
        let challenge = own_passkey_challenge(&roster.genesis(), &signer, &nonce, &theirs);
        let credential = sent.verified(roster.relying_party(), &challenge)?;
        let passkey = build::passkey(&credential, name)?;
        let added = AddedPasskey {
            id: passkey.passkey_id.clone(),
            name: name.to_owned(),
        };
        let mut body = build::body()?;
        body.owns.push(Own {
            passkey: Some(passkey),
        });
        let sight = Sight::Followed(Some(&begun.registration_id));
        let stated = self.state_own(desk, talk, (Kind::Own, &body), sight).await;
        drop(page);
        Ok((stated?, added))
    }

    /// Removes a passkey that is named by its id, or by its name where that is unique.
    pub(super) async fn remove_passkey(
        &self,
        desk: &impl Desk,
        talk: &Talk,
        named: &str,
        reason: &str,
    ) -> Result<MadeStatement, Failure> {
        let held: Held = call(desk.api(), Method::GET, "/v1/passkeys", None).await?;
        let passkey = held.named(named)?;
        if passkey.signed_in {
            talk.say("The sign-in on this device is by that passkey, and ends with it.");
        }
        let body = build::revoking(Subject::PasskeyId(passkey.id.clone()), reason)?;
        let sight = Sight::Followed(None);
        self.state_own(desk, talk, (Kind::Revocation, &body), sight)
            .await
    }

    /// Says, has touched, signs and posts one statement about oneself.
    async fn state_own(
        &self,
        desk: &impl Desk,
        talk: &Talk,
        (kind, body): (Kind, &Body),
        sight: Sight<'_>,
    ) -> Result<MadeStatement, Failure> {
        let roster = desk.follow(1).await?;
        let draft = Draft::new(self.genesis, kind, self.fingerprint(), body);
        say::statement(talk, &roster, kind, body);
        let held: Held = call(desk.api(), Method::GET, "/v1/passkeys", None).await?;
        let touchers = held.active().map(HeldPasskey::toucher);
        let asked = Asked {
            touchers: touchers.collect::<Result<_, _>>()?,
            signer: self.fingerprint(),
            draft: &draft,
            tab: match sight {
                Sight::Whole => None,
                Sight::Followed(registration) => registration,
            },
        };
        let touched = touch::ask(desk, talk, roster.relying_party(), &asked).await?;
        self.place(desk, talk, &touched, sight).await
    }
}

impl Held {
    fn active(&self) -> impl Iterator<Item = &HeldPasskey> {
        self.passkeys.iter().filter(|it| it.revoked.is_none())
    }

    /// Finds what is to be removed, unless it is the last one: the roster would refuse that after the touch.
    fn named(&self, name: &str) -> Result<&HeldPasskey, Failure> {
        let by_id = self.active().find(|it| it.id == name);
        let mut by_name = self.active().filter(|it| it.name == name);
        let found = by_id.or_else(|| by_name.next()).ok_or_else(|| {
            Failure::new(format!("you have no passkey {name:?}"))
                .repaired_by("`adit passkeys list` shows those that you have")
        })?;
        if by_id.is_none() && by_name.next().is_some() {
            let text = format!("several passkeys of yours are called {name:?}");
            return Err(Failure::new(text)
                .repaired_by("name it by its id; `adit passkeys list` shows them"));
        }
        if self.active().count() < 2 {
            let text = "this is your only passkey, without which you could not sign in";
            return Err(Failure::of(Reason::PolicyDenied, text)
                .repaired_by("add another one first: `adit passkeys add NAME`"));
        }
        Ok(found)
    }
}

/// Waits for the browser's answer.
async fn registration(desk: &impl Desk, begun: &Begun) -> Result<Sent, Failure> {
    let path = format!("/v1/passkeys/registrations/{}", begun.registration_id);
    loop {
        // The gateway answers when there is something to say, or after 25 s.
        let answer: Answer = call(desk.api(), Method::GET, &path, None).await?;
        if let Some(sent) = answer.registration {
            return Ok(sent);
        }
        if clock::now() >= UnixMillis(begun.expires_ms) {
            let text = "nobody made a passkey before the page expired";
            return Err(Failure::of(Reason::TouchExpired, text));
        }
    }
}

impl Sent {
    fn verified(
        &self,
        party: &RelyingParty,
        challenge: &Hash,
    ) -> Result<RegisteredCredential, Failure> {
        let (object, client_data) = (
            bytes(&self.attestation_object)?,
            bytes(&self.client_data_json)?,
        );
        assertion::registered(&object, &client_data, party, challenge).map_err(|error| {
            let text = format!("the gateway returned another registration than was asked for: {error}");
            Failure::of(Reason::EvidenceInvalid, text)
                .repaired_by("nothing was signed; if it happens again, tell an admin: the gateway may be hostile")
        })
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, Failure> {
    STANDARD.decode(text).map_err(|_| unreadable())
}

fn unreadable() -> Failure {
    Failure::of(
        Reason::VersionUnsupported,
        "the gateway's answer about passkeys cannot be read",
    )
}
