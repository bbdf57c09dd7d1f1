//! What the exec plugin gets: a token for one cluster, after whatever has to be done for it.

use adit_proto::Reason;
use adit_proto::target::{Name, Target};
use serde::{Deserialize, Serialize};

use super::Seat;
use crate::browser::Caller;
use crate::clock;
use crate::exit::Failure;
use crate::kube::token::Context;
use crate::sign_in::Browser;
use crate::talk::Talk;

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
        self.endpoint().described().await?;
        let target = Target::Cluster(cluster.clone());
        self.signed_in(caller, talk, || self.session(&target))
            .await?;
        let context = Context {
            profile: self.name().clone(),
            cluster: cluster.clone(),
        };
        let token = self.endpoint().token_key()?.issue(&context, clock::now());
        Ok(Credential {
            token: token.text.to_string(),
            expires_ms: token.expires.0,
        })
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
