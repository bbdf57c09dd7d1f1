//! `Adit-Identity`: who asks, for an application to verify (RFC 7519).
//!
//! ```text
//! cluster's key ─signs─▶ certificate of a token key (a JWS, an hour) ─in the header of─▶ token (60 s, one service)
//! ```
//!
//! Tokens are signed with a key of their own that lives in this process only. The cluster's key signs for it, and an
//! application that knows the cluster's public key needs nothing else. docs/web-applications.md says how to verify.

mod jws;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use adit_proto::target::Name;
use adit_proto::time::UnixMillis;
use adit_proto::wire::audit::Actor;
use adit_transport::key::{DeviceSigner, SignError};
use http::HeaderValue;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::clock::Clock;
use jws::TokenKey;

/// How long a token is good for: as long as a request may take to arrive, with clocks that differ a little.
const LIFE: Duration = Duration::from_mins(1);
/// How long a token key is used. Its certificate is good until its last token has expired.
const KEY_LIFE: Duration = Duration::from_hours(1);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No randomness for a key or a signature.
    #[error("the system gives no randomness")]
    Randomness,
    /// The cluster's key did not sign.
    #[error("the cluster's key did not sign the key of tokens")]
    Cluster(#[source] SignError),
    /// The cluster's key signed, but not as a P-256 key does.
    #[error("the cluster's key gave a signature that is none")]
    Signature,
}

/// Who asks for what.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) actor: Actor,
    pub(super) groups: Vec<String>,
    pub(super) target: String,
}

/// Makes tokens.
pub struct Identities {
    issuer: String,
    cluster: Arc<dyn DeviceSigner>,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Arc<Certified>>>,
}

/// A token key with the certificate that goes into the header of its tokens.
struct Certified {
    key: TokenKey,
    header: Value,
    made: UnixMillis,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl Identities {
    /// Makes tokens in the name of `cluster`, whose key certifies those that sign them.
    #[must_use]
    pub fn new(cluster: &Name, key: Arc<dyn DeviceSigner>, clock: Arc<dyn Clock>) -> Self {
        Self {
            issuer: format!("cluster/{cluster}"),
            cluster: key,
            clock,
            current: Mutex::new(None),
        }
    }

    /// Makes a token for one request.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub(super) fn token(&self, asker: &Asker) -> Result<HeaderValue, IdentityError> {
        let now = self.clock.wall();
        let certified = self.certified(now)?;
        let Asker {
            actor,
            groups,
            target,
        } = asker;
        let claims = json!({
            "iss": self.issuer,
            "aud": target,
            "sub": actor.user_id,
            "preferred_username": actor.user_name,
            "groups": groups,
            "device": actor.device_id,
            "session": actor.session_id,
            "iat": seconds(now),
            "exp": seconds(now.after(LIFE)),
        });
        let token = certified.key.sign(&certified.header, &claims)?;
        HeaderValue::try_from(token).map_err(|_| IdentityError::Signature)
    }

    /// The token key of this hour.
    fn certified(&self, now: UnixMillis) -> Result<Arc<Certified>, IdentityError> {
        let mut current = self.current.lock();
        if let Some(certified) = &*current
            && certified.made <= now
            && now < certified.made.after(KEY_LIFE)
        {
            return Ok(certified.clone());
        }
        let key = TokenKey::generate()?;
        let claims = json!({
            "iss": self.issuer,
            "iat": seconds(now),
            "exp": seconds(now.after(KEY_LIFE + LIFE)),
            "cnf": { "jwk": key.public() },
        });
        let header = json!({
            "alg": "ES256",
            "typ": "adit-key+jwt",
            "kid": self.cluster.public_key().fingerprint().to_string(),
        });
        let certificate = jws::sign(self.cluster.as_ref(), &header, &claims)?;
        let certified = Arc::new(Certified {
            key,
            header: json!({
                "alg": "ES256",
                "typ": "adit-identity+jwt",
                "adit_key": certificate,
            }),
            made: now,
        });
        *current = Some(certified.clone());
        Ok(certified)
    }
}

fn seconds(time: UnixMillis) -> u64 {
    time.0 / 1000
}

#[cfg(test)]
pub(super) mod tests;
