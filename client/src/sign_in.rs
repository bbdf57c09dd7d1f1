//! Signing in: a passkey delegates to this device's key, in the person's browser.
//!
//! The device asks first, on its own connection; the page comes back to a loopback port with a one-use code, and only the
//! same device finishes, with the verifier of the challenge that it began with (RFC 7636).

mod callback;
mod pkce;
mod typed;

use std::path::Path;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::time::UnixMillis;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;

use crate::api::{Api, ask};
use crate::browser::Caller;
use crate::ceremony;
use crate::clock;
use crate::exit::Failure;
use crate::statement::printable;
use crate::talk::Talk;
use callback::Callback;
use pkce::Verifier;

/// The longest that a sign-in waits for its person, whatever the gateway says.
const PATIENCE: Duration = Duration::from_mins(10);

/// A sign-in as the gateway knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// Its id.
    pub id: String,
    /// When it ends, Unix milliseconds.
    pub expires_ms: u64,
    /// The passkey that made it.
    pub passkey_id: String,
    /// Whether its code was typed on another machine.
    #[serde(default)]
    pub headless: bool,
}

impl SignIn {
    /// When it ends.
    #[must_use]
    pub fn expires(&self) -> UnixMillis {
        UnixMillis(self.expires_ms)
    }
}

/// Who signs in and how.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Origins of the roster: where the page may be.
    pub origins: &'a [String],
    /// Who asks.
    pub caller: &'a Caller,
    /// The profile's directory.
    pub directory: &'a Path,
    /// Where the browser is.
    pub browser: Browser,
}

/// Where the browser is that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Browser {
    /// On this machine, and a page is opened in it.
    Here,
    /// On this machine, and this tab goes on.
    Tab(String),
    /// On another machine, where the code is typed.
    Elsewhere,
}

#[derive(Deserialize)]
struct Begun {
    sign_in_id: String,
    url: String,
    matching_code: String,
    expires_ms: u64,
}

#[derive(Deserialize)]
struct Finished {
    sign_in: SignIn,
}

/// Signs in; what the person must do is said to `talk`.
///
/// # Errors
/// A failure that says what to do.
///
/// # Cancel safety
/// Dropping it closes the port; the ceremony at the gateway expires.
pub async fn sign_in(api: &dyn Api, wanted: &Wanted<'_>, talk: &Talk) -> Result<SignIn, Failure> {
    if wanted.browser == Browser::Elsewhere {
        return typed::sign_in(api, wanted, talk).await;
    }
    let (verifier, callback) = (Verifier::new()?, Callback::listen().await?);
    let mut body = json!({
        "pkce_challenge": verifier.challenge(),
        "callback": callback.url(),
        "state": callback.state(),
    });
    if let (Browser::Tab(tab), Some(fields)) = (&wanted.browser, body.as_object_mut()) {
        fields.insert("ceremony_id".to_owned(), json!(tab));
    }
    let begun: Begun = ask(api, Method::POST, "/v1/sign-ins", Some(body)).await?;
    let code = code(callback, &begun, wanted, talk).await?;
    let path = format!("/v1/sign-ins/{}/finish", path_segment(&begun.sign_in_id)?);
    let body = json!({"code": code, "verifier": verifier.expose()});
    let finished: Finished = ask(api, Method::POST, &path, Some(body)).await?;
    talk.say("Signed in.");
    Ok(finished.sign_in)
}

async fn code(
    callback: Callback,
    begun: &Begun,
    wanted: &Wanted<'_>,
    talk: &Talk,
) -> Result<String, Failure> {
    let life = UnixMillis(begun.expires_ms)
        .since(clock::now())
        .min(PATIENCE);
    let expired = || {
        Failure::of(
            Reason::SignInRequired,
            "nobody signed in before the page expired",
        )
    };
    let matching_code = printable(&begun.matching_code);
    talk.ask(&format!(
        "Sign in with your passkey in the browser. Compare the code: {matching_code}"
    ));
    let code = async {
        timeout(life, callback.code())
            .await
            .map_err(|_| expired())?
    };
    let shown = async {
        // A tab that goes on shows the next page by itself.
        let goes_on = matches!(wanted.browser, Browser::Tab(_));
        if goes_on && !ceremony::in_software(wanted.caller) {
            return Ok(None);
        }
        let Wanted {
            origins,
            caller,
            directory,
            ..
        } = wanted;
        let shown = ceremony::show(&begun.url, origins, caller, directory, talk).await?;
        if !shown.is_here() {
            talk.say("Without a browser on this machine: interrupt this, and run `adit login --headless`.");
        }
        Ok(Some(shown))
    };
    // The redirect file stays until the code is there.
    let (code, _shown) = futures_util::future::try_join(code, shown).await?;
    Ok(code)
}

/// Refuses an id that would lead to another path.
fn path_segment(id: &str) -> Result<&str, Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (!id.is_empty() && id.bytes().all(plain))
        .then_some(id)
        .ok_or_else(|| {
            Failure::of(
                Reason::VersionUnsupported,
                "the gateway's sign-in has no id",
            )
        })
}

#[cfg(test)]
mod tests;
