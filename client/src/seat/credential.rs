//! What kubectl gets: a token for one cluster, or for an explanation, after whatever has to be done for it.

use adit_proto::Reason;
use adit_proto::target::{Name, Target};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{Described, Seat};
use crate::browser::Caller;
use crate::exit::Failure;
use crate::explain::{Id, Told};
use crate::kube::token::{Context, Token};
use crate::sign_in::Browser;
use crate::talk::Talk;
use crate::{clock, random};

/// A token for the local endpoint.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credential {
    /// What kubectl sends.
    pub token: String,
    /// When it ends, Unix milliseconds.
    pub expires_ms: u64,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("expires_ms", &self.expires_ms)
            .finish_non_exhaustive()
    }
}

/// An explanation that has begun.
#[derive(Clone, Serialize, Deserialize)]
pub struct Begun {
    /// Its id, with which it is ended.
    pub id: String,
    /// What kubectl sends.
    pub token: String,
    /// Where kubectl sends it.
    pub endpoint: Described,
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Begun")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Seat {
    /// Opens the sign-in and the session that `cluster` needs, and gives a token for it.
    ///
    /// # Errors
    /// [`Reason::SignInRequired`] without a terminal, or what the gateway said.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn credential(
        &self,
        cluster: &Name,
        caller: &Caller,
        talk: &Talk,
    ) -> Result<Credential, Failure> {
        let token = self.token(cluster, None, (caller, talk)).await?;
        Ok(Credential {
            token: token.text.to_string(),
            expires_ms: token.expires.0,
        })
    }

    /// Begins an explanation of what would be done in `cluster`, after whatever has to be done for it.
    ///
    /// # Errors
    /// As [`Seat::credential`].
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn explain(
        &self,
        cluster: &Name,
        caller: &Caller,
        talk: &Talk,
    ) -> Result<Begun, Failure> {
        let id = random::bytes()?;
        let token = self.token(cluster, Some(id), (caller, talk)).await?;
        let endpoint = self.endpoint().described().await?;
        self.endpoint().explanations().begin(id);
        Ok(Begun {
            id: URL_SAFE_NO_PAD.encode(id),
            token: token.text.to_string(),
            endpoint,
        })
    }

    /// Ends the explanation `id` and gives what was decided.
    ///
    /// # Errors
    /// When there is none.
    pub fn explained(&self, id: &str) -> Result<Told, Failure> {
        let id = URL_SAFE_NO_PAD.decode(id).ok();
        let id = id.and_then(|id| id.try_into().ok());
        let told = id.and_then(|id| self.endpoint().explanations().end(&id));
        told.ok_or_else(|| {
            Failure::new("the agent knows nothing of this explanation any more")
                .repaired_by("run `adit explain` again")
        })
    }

    async fn token(
        &self,
        cluster: &Name,
        explanation: Option<Id>,
        (caller, talk): (&Caller, &Talk),
    ) -> Result<Token, Failure> {
        self.endpoint().described().await?;
        let target = Target::Cluster(cluster.clone());
        self.signed_in(caller, talk, || self.session(&target))
            .await?;
        let context = Context {
            profile: self.name().clone(),
            cluster: cluster.clone(),
            explanation,
        };
        Ok(self.endpoint().token_key()?.issue(&context, clock::now()))
    }

    /// Does `work`; if that needs a sign-in and a person is there, signs in and does it again.
    ///
    /// # Errors
    /// What `work` or the sign-in said.
    pub async fn signed_in<T, F>(
        &self,
        caller: &Caller,
        talk: &Talk,
        work: impl Fn() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let failure = match work().await {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        if !failure.wants_sign_in() || !caller.interactive {
            return Err(failure);
        }
        talk.say(if failure.reason() == Some(Reason::SignInExpired) {
            "Your sign-in has expired."
        } else {
            "You are not signed in."
        });
        self.sign_in(caller, Browser::Here, talk).await?;
        work().await
    }
}
