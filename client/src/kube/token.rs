//! Tokens for the local listener: the name of a cluster, and a MAC over it, the profile, an expiry and, where it is one of
//! an explanation, which, under a key in the runtime directory.
//!
//! The key outlives a restart of the agent, so a kubectl that holds a token goes on working.

use std::path::Path;
use std::time::Duration;

use adit_proto::target::Name;
use adit_proto::time::UnixMillis;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use crate::explain;
use crate::private_file::{self, PrivateFileError};
use crate::profile::ProfileName;

/// How long a token is good for. kubectl asks again by itself.
pub const LIFE: Duration = Duration::from_hours(1);
/// Domain separation of the MAC.
const LABEL: &[u8] = b"adit/1/listener-token";
/// Bytes of the key and of the MAC.
const LEN: usize = 32;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum TokenKeyError {
    /// No randomness.
    #[error("the system gives no randomness")]
    Randomness,
    /// Its file cannot be used.
    #[error("the key of the local listener's tokens cannot be used")]
    File(#[from] PrivateFileError),
    /// Its file is damaged.
    #[error("the key of the local listener's tokens is damaged: remove it")]
    Damaged,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was not made here, or for another profile.
    #[error("the token was not made by this agent")]
    Invalid,
    /// Its hour is over.
    #[error("the token has expired")]
    Expired,
}

/// What a token is good for: one cluster of one profile, or an explanation of what would be done there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The profile.
    pub profile: ProfileName,
    /// The cluster.
    pub cluster: Name,
    /// The explanation, if it is for that alone.
    pub explanation: Option<explain::Id>,
}

/// Proof that a valid token for `context` was shown. Only [`TokenKey::check`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitled {
    context: Context,
}

impl Entitled {
    /// The cluster that may be reached.
    #[must_use]
    pub fn cluster(&self) -> &Name {
        &self.context.cluster
    }

    /// The explanation that what is asked is for.
    #[must_use]
    pub fn explanation(&self) -> Option<&explain::Id> {
        self.context.explanation.as_ref()
    }
}

/// A token and until when it is good.
#[derive(Clone)]
pub struct Token {
    /// What kubectl sends.
    pub text: Zeroizing<String>,
    /// When it ends.
    pub expires: UnixMillis,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// The key under which tokens are made and checked.
#[derive(Debug)]
pub struct TokenKey(hmac::Key);

impl TokenKey {
    /// Reads the key at `path`, and makes it if there is none.
    ///
    /// # Errors
    /// [`TokenKeyError`].
    pub fn load_or_create(path: &Path, rng: &dyn SecureRandom) -> Result<Self, TokenKeyError> {
        if private_file::read(path)?.is_none() {
            let mut fresh = Zeroizing::new([0; LEN]);
            rng.fill(fresh.as_mut_slice())
                .map_err(|_| TokenKeyError::Randomness)?;
            // Whoever else made one at the same time was first; theirs is read below.
            private_file::create(path, fresh.as_slice())?;
        }
        let bytes = private_file::read(path)?.map(Zeroizing::new);
        let key = bytes
            .filter(|bytes| bytes.len() == LEN)
            .ok_or(TokenKeyError::Damaged)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// Makes a token for `context`.
    #[must_use]
    pub fn issue(&self, context: &Context, now: UnixMillis) -> Token {
        let expires = now.after(LIFE);
        let mac = hmac::sign(&self.0, &content(context, expires));
        let mut bytes = expires.0.to_be_bytes().to_vec();
        bytes.extend_from_slice(mac.as_ref());
        bytes.extend_from_slice(id(context));
        let text = Zeroizing::new(format!(
            "{}.{}",
            context.cluster,
            URL_SAFE_NO_PAD.encode(bytes)
        ));
        Token { text, expires }
    }

    /// Checks a token of `profile`, its MAC in constant time.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn check(
        &self,
        profile: &ProfileName,
        presented: &str,
        now: UnixMillis,
    ) -> Result<Entitled, TokenError> {
        let (cluster, rest) = presented.split_once('.').ok_or(TokenError::Invalid)?;
        let bytes = URL_SAFE_NO_PAD
            .decode(rest)
            .map_err(|_| TokenError::Invalid)?;
        let (expires, rest) = bytes.split_first_chunk().ok_or(TokenError::Invalid)?;
        let (mac, id) = rest.split_at_checked(LEN).ok_or(TokenError::Invalid)?;
        let explanation = (!id.is_empty()).then(|| id.try_into());
        let context = Context {
            profile: profile.clone(),
            cluster: cluster.parse().map_err(|_| TokenError::Invalid)?,
            explanation: explanation.transpose().map_err(|_| TokenError::Invalid)?,
        };
        let expires = UnixMillis(u64::from_be_bytes(*expires));
        hmac::verify(&self.0, &content(&context, expires), mac).map_err(|_| TokenError::Invalid)?;
        if now >= expires {
            return Err(TokenError::Expired);
        }
        Ok(Entitled { context })
    }
}

fn content(context: &Context, expires: UnixMillis) -> Vec<u8> {
    // Names hold no zero byte and the expiry has a fixed length, so this reads in one way only.
    [
        LABEL,
        context.profile.as_str().as_bytes(),
        &[0],
        context.cluster.as_str().as_bytes(),
        &[0],
        &expires.0.to_be_bytes(),
        id(context),
    ]
    .concat()
}

/// The explanation's id, or nothing.
fn id(context: &Context) -> &[u8] {
    context.explanation.as_ref().map_or(&[], |id| id.as_slice())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    pub(crate) fn key(dir: &Path) -> TokenKey {
        TokenKey::load_or_create(&dir.join("key"), &SystemRandom::new()).unwrap()
    }

    pub(crate) fn context(cluster: &str) -> Context {
        Context {
            profile: "one".parse().unwrap(),
            cluster: cluster.parse().unwrap(),
            explanation: None,
        }
    }

    /// For the explanation `id` of what would be done in `prod`.
    pub(crate) fn explaining(id: explain::Id) -> Context {
        Context {
            explanation: Some(id),
            ..context("prod")
        }
    }

    #[test]
    fn l3_a_token_of_an_explanation_is_for_nothing_else_and_no_other_becomes_one() {
        let scratch = tempfile::tempdir().unwrap();
        let key = key(scratch.path());
        let one = context("prod").profile;
        let explains = key.issue(&explaining([7; 16]), NOW).text;
        let entitled = key.check(&one, &explains, NOW).unwrap();
        assert_eq!(entitled.explanation(), Some(&[7; 16]));
        let plain = key.issue(&context("prod"), NOW).text;
        let entitled = key.check(&one, &plain, NOW).unwrap();
        assert_eq!(entitled.explanation(), None);
        let decoded = |token: &str| {
            let (_, rest) = token.split_once('.').unwrap();
            URL_SAFE_NO_PAD.decode(rest).unwrap()
        };
        let refused = |bytes: &[u8]| {
            let text = format!("prod.{}", URL_SAFE_NO_PAD.encode(bytes));
            assert_eq!(key.check(&one, &text, NOW), Err(TokenError::Invalid));
        };
        let explains = decoded(&explains);
        refused(&explains[..explains.len() - 16]);
        refused(&explains[..explains.len() - 1]);
        refused(&[&explains[..explains.len() - 16], &[8; 16]].concat());
        refused(&[decoded(&plain).as_slice(), &[7; 16]].concat());
    }

    #[test]
    fn l3_a_token_is_good_for_its_context_and_its_hour_only() {
        let scratch = tempfile::tempdir().unwrap();
        let key = key(scratch.path());
        let token = key.issue(&context("prod"), NOW);
        let one = context("prod").profile;
        let entitled = key.check(&one, &token.text, NOW).unwrap();
        assert_eq!(entitled.cluster().as_str(), "prod");
        let elsewhere = token.text.replace("prod.", "dev.");
        let elsewhere = key.check(&one, &elsewhere, NOW);
        assert_eq!(elsewhere, Err(TokenError::Invalid));
        let two = "two".parse().unwrap();
        assert!(key.check(&two, &token.text, NOW).is_err());
        let late = key.check(&one, &token.text, NOW.after(LIFE));
        assert_eq!(late, Err(TokenError::Expired));
    }

    #[test]
    fn l3_an_altered_or_foreign_token_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let key = key(scratch.path());
        let token = key.issue(&context("prod"), NOW);
        let (_, signed) = token.text.split_once('.').unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(signed).unwrap();
        for index in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[index] ^= 1;
            let text = format!("prod.{}", URL_SAFE_NO_PAD.encode(altered));
            assert_eq!(
                key.check(&context("prod").profile, &text, NOW),
                Err(TokenError::Invalid)
            );
        }
        for text in [
            "",
            "x",
            ".",
            "prod.",
            "prod.=",
            signed,
            token.text.split_at(1).1,
        ] {
            assert!(key.check(&context("prod").profile, text, NOW).is_err());
        }
        let other = tempfile::tempdir().unwrap();
        let foreign = self::key(other.path()).issue(&context("prod"), NOW);
        assert!(
            key.check(&context("prod").profile, &foreign.text, NOW)
                .is_err()
        );
    }

    #[test]
    fn a_token_outlives_a_restart_of_the_agent() {
        let scratch = tempfile::tempdir().unwrap();
        let token = key(scratch.path()).issue(&context("prod"), NOW);
        assert!(
            key(scratch.path())
                .check(&context("prod").profile, &token.text, NOW)
                .is_ok()
        );
    }
}
