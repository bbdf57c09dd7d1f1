//! Statements of the roster that a person proposes: built from fields, said in words, touched, signed, appended.
//!
//! Runs in the agent, which holds the device key. No call signs bytes: a [`Proposal`] has fields, and id, salt and time
//! of a body are made here. What is signed rests on a log that was verified here, in full, and is never older than what
//! the agent follows; what a user signs for himself rests on what the agent follows. The touch is verified before anything is signed with it: a gateway that has something else touched,
//! or by somebody else, gets no signature.
//!
//! ```text
//! Proposal ─resolve, build─▶ Body ─words, touch─▶ Touched ─turn, place─▶ signed ─post─▶ Made
//! ```

mod build;
mod desk;
mod log;
mod own;
mod proposal;
mod say;
mod touch;

use std::fmt;
use std::sync::Arc;

use adit_proto::Reason;
use adit_proto::key::Fingerprint;
use adit_proto::label::Hash;
use adit_proto::roster::{Right, Roster};
use adit_proto::statement::{Draft, Kind};
use adit_proto::wire::roster::Body;
use adit_transport::key::DeviceSigner;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use parking_lot::Mutex;
use prost::Message;
use serde_json::{Value, json};

pub(crate) use build::{body as new_body, passkey as new_passkey};
pub use desk::{AgentDesk, Desk};
pub use log::VerifiedLog;
pub use proposal::{
    AddedPasskey, Facts, Invited, Invitee, Made, MadeStatement, Named, Proposal, Role,
};
pub(crate) use say::{causes, printable};
use touch::{Asked, Touched, Toucher};

use crate::api::ask;
use crate::exit::Failure;
use crate::talk::Talk;

/// How often a turn that was missed is waited for again.
const TURNS: usize = 3;

/// What a statement is signed in.
#[derive(Clone, Copy, Debug)]
enum Sight<'a> {
    /// The whole log, which admins see.
    Whole,
    /// The log that the agent follows; for a passkey that is added, with the registration that it comes of.
    Followed(Option<&'a str>),
}

/// Proposes statements with one device key in one log.
pub struct Statements {
    signer: Arc<dyn DeviceSigner>,
    genesis: Hash,
    /// What was verified last; read and replaced, never held while waiting.
    verified: Mutex<Option<Arc<Roster>>>,
}

impl fmt::Debug for Statements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statements")
            .field("signer", &self.signer.public_key())
            .finish_non_exhaustive()
    }
}

impl Statements {
    /// Signs with `signer` in the log that begins with the statement of the hash `genesis`.
    #[must_use]
    pub fn new(signer: Arc<dyn DeviceSigner>, genesis: Hash) -> Self {
        Self {
            signer,
            genesis,
            verified: Mutex::new(None),
        }
    }

    /// Fetches and verifies the whole log up to its head.
    ///
    /// # Errors
    /// A failure of the gateway; [`Reason::RosterFork`] or [`Reason::RosterStale`] if it is not the log that is followed.
    ///
    /// # Cancel safety
    /// Nothing is lost but the statements that were read.
    pub async fn log(&self, desk: &impl Desk) -> Result<Arc<Roster>, Failure> {
        let known = self.verified.lock().clone();
        let roster = log::fetch(desk, &self.genesis, known).await?;
        log::check_followed(&roster, desk.followed().as_ref())?;
        *self.verified.lock() = Some(roster.clone());
        Ok(roster)
    }

    /// Makes the statements of `proposal`. What each says is told to `talk` before its touch.
    ///
    /// # Errors
    /// A failure that says what to do. What was appended before it stays; proposing the same again goes on from there.
    ///
    /// # Cancel safety
    /// A statement that was posted may be in the log.
    pub async fn propose(
        &self,
        proposal: &Proposal,
        desk: &impl Desk,
        talk: &Talk,
    ) -> Result<Made, Failure> {
        let mut made = Made::default();
        match proposal {
            Proposal::Invite { people, life_s } => {
                let roster = self.admins_log(desk).await?;
                build::check_invitees(&roster, people)?;
                let facts: Vec<_> = people.iter().map(|person| &person.facts).collect();
                let (users, body) = build::users(&roster, &facts)?;
                if let Some(body) = body {
                    let stated = self.state(desk, talk, Kind::User, &body).await?;
                    made.statements.push(stated);
                }
                let (invited, body) = build::invitations(&users, people, *life_s)?;
                let stated = self.state(desk, talk, Kind::Invitation, &body).await?;
                made.statements.push(stated);
                made.invited = invited;
            }
            Proposal::SetUsers { people } => {
                let roster = self.admins_log(desk).await?;
                let facts: Vec<_> = people.iter().collect();
                let (_, body) = build::users(&roster, &facts)?;
                if let Some(body) = body {
                    let stated = self.state(desk, talk, Kind::User, &body).await?;
                    made.statements.push(stated);
                }
            }
            Proposal::AddPasskey { name } => {
                let (stated, added) = self.add_passkey(desk, talk, name).await?;
                made.statements.push(stated);
                made.passkey = Some(added);
            }
            Proposal::RemovePasskey { passkey, reason } => {
                let stated = self.remove_passkey(desk, talk, passkey, reason).await?;
                made.statements.push(stated);
            }
            Proposal::AddCluster { name, key } => {
                let roster = self.admins_log(desk).await?;
                let body = build::cluster(&roster, name, key)?;
                let stated = self.state(desk, talk, Kind::Cluster, &body).await?;
                made.statements.push(stated);
            }
            Proposal::ApplyPolicy { text } => {
                self.admins_log(desk).await?;
                check_draft(desk, text).await?;
                let roster = self.log(desk).await?;
                let body = build::policy(&roster, text)?;
                made.policy = body.policies.first().map(|policy| policy.number);
                let stated = self.state(desk, talk, Kind::Policy, &body).await?;
                made.statements.push(stated);
            }
            Proposal::Revoke { subject, reason } => {
                let roster = self.log(desk).await?;
                let body = build::revocation(&roster, subject, reason)?;
                let stated = self.state(desk, talk, Kind::Revocation, &body).await?;
                made.statements.push(stated);
            }
        }
        Ok(made)
    }

    /// The log, if this device signs as admin in it.
    async fn admins_log(&self, desk: &impl Desk) -> Result<Arc<Roster>, Failure> {
        let roster = self.log(desk).await?;
        match roster.rights_of(&self.fingerprint()) {
            Some((_, Right::Admin)) => Ok(roster),
            Some(_) | None => Err(Failure::of(
                Reason::PolicyDenied,
                "only an admin's device signs this",
            )),
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        self.signer.public_key().fingerprint()
    }

    /// Says, has touched, signs and posts one statement.
    async fn state(
        &self,
        desk: &impl Desk,
        talk: &Talk,
        kind: Kind,
        body: &Body,
    ) -> Result<MadeStatement, Failure> {
        let draft = Draft::new(self.genesis, kind, self.fingerprint(), body);
        let roster = self.log(desk).await?;
        let (owner, _) = roster
            .rights_of(&self.fingerprint())
            .ok_or_else(|| Failure::of(Reason::DeviceRevoked, "this device signs nothing"))?;
        say::statement(talk, &roster, kind, body);
        let asked = Asked {
            touchers: roster.passkeys_of(owner).map(Toucher::from).collect(),
            signer: self.fingerprint(),
            draft: &draft,
            tab: None,
        };
        let touched = touch::ask(desk, talk, roster.relying_party(), &asked).await?;
        self.place(desk, talk, &touched, Sight::Whole).await
    }

    /// Appends what was touched; a turn that was missed is waited for again.
    async fn place(
        &self,
        desk: &impl Desk,
        talk: &Talk,
        touched: &Touched,
        sight: Sight<'_>,
    ) -> Result<MadeStatement, Failure> {
        for _ in 1..TURNS {
            match self.append(desk, touched, sight).await {
                Err(failure) if failure.reason() == Some(Reason::RosterStale) => {
                    talk.say("The turn at the roster was missed; waiting for another.");
                }
                ended => return ended,
            }
        }
        self.append(desk, touched, sight).await
    }

    /// Takes a turn and appends the touched draft after the head that it shows.
    async fn append(
        &self,
        desk: &impl Desk,
        touched: &Touched,
        sight: Sight<'_>,
    ) -> Result<MadeStatement, Failure> {
        let turn: proposal::Turn = ask(desk.api(), Method::POST, "/v1/roster/turns", None).await?;
        let head = turn.head()?;
        let (roster, registration) = match sight {
            Sight::Whole => (self.log(desk).await?, None),
            Sight::Followed(registration) => (desk.follow(head.number).await?, registration),
        };
        let draft = touched.draft();
        if roster.head().hash != head.hash {
            return Err(Failure::of(
                Reason::RosterFork,
                "the gateway asks for a signature after another statement than it shows",
            ));
        }
        let placed = draft.place(&head);
        let hash = placed.hash();
        let signature = self
            .signer
            .sign(&hash)
            .map_err(|error| Failure::new(format!("the device key did not sign: {error}")))?;
        let statement = placed.seal(signature, Some(touched.assertion().clone()));
        let mut after = Roster::clone(&roster);
        let appended = after.append(&statement).map_err(|error| {
            Failure::of(
                error.reason(),
                format!("this would be refused: {}", say::causes(&error)),
            )
        })?;
        let body = json!({
            "turn_id": turn.turn_id,
            "statement": STANDARD.encode(statement.encode_to_vec()),
            "registration_id": registration,
        });
        let _: Value = ask(
            desk.api(),
            Method::POST,
            "/v1/roster/statements",
            Some(body),
        )
        .await?;
        if matches!(sight, Sight::Whole) {
            *self.verified.lock() = Some(Arc::new(after));
        }
        Ok(MadeStatement {
            number: appended.number,
            kind: draft.kind().as_str().to_owned(),
            hash: STANDARD.encode(hash),
        })
    }
}

/// Hands the text of a policy over, which the gateway checks against the schema, and checks the digest it answers.
async fn check_draft(desk: &impl Desk, text: &str) -> Result<(), Failure> {
    #[derive(serde::Deserialize)]
    struct Answer {
        digest: String,
    }
    let body = json!({ "text": text });
    let answer: Answer = ask(desk.api(), Method::PUT, "/v1/admin/policies", Some(body)).await?;
    let digest = adit_proto::roster::policy_digest(text);
    (STANDARD.decode(answer.digest).ok().as_deref() == Some(&digest[..]))
        .then_some(())
        .ok_or_else(|| Failure::of(Reason::EvidenceInvalid, "the gateway holds another policy"))
}

#[cfg(test)]
mod tests;
