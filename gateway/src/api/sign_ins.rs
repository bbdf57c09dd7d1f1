//! Sign-ins: begun and finished on the same device's connection.

use adit_proto::id::SignInId;
use adit_proto::sign_in::SignInRequest;
use adit_proto::wire::audit::SignIn as SignInEvent;
use adit_proto::wire::audit::record::Event;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::input::{Body, Named, pkce};
use super::refused::Refusal;
use super::role::{Enrolled, SignedIn};
use super::touches::WAIT;
use crate::ceremony::{CeremonyError, Finish, Returns, SignInAsk};
use crate::refusal::Refused;
use crate::services::Services;
use crate::store::sign_ins::SignIn;

/// What begins a sign-in.
#[derive(Deserialize, ToSchema)]
pub(super) struct Begin {
    /// SHA-256 of the PKCE verifier, base64url without padding.
    pkce_challenge: String,
    /// Exactly `http://127.0.0.1:PORT/callback`; absent with `headless`.
    callback: Option<String>,
    /// What the agent knows its callback by: 16 to 64 characters of base64url; absent with `headless`.
    state: Option<String>,
    /// A tab of this device that goes on to the sign-in; absent with `headless`.
    ceremony_id: Option<String>,
    /// Whether the browser is on another machine and the matching code is typed there. Such a sign-in lives less long.
    #[serde(default)]
    headless: bool,
}

impl Begin {
    fn returns(&self) -> Result<Returns, Refusal> {
        let malformed = |error: &dyn std::fmt::Display| Refusal::malformed(error.to_string());
        let tab = self.ceremony_id.as_deref().map(str::parse).transpose();
        let tab = tab.map_err(|error| malformed(&error))?;
        match (self.headless, &self.callback, &self.state, tab) {
            (true, None, None, None) => Ok(Returns::Typed),
            (true, ..) => Err(Refusal::malformed("a headless sign-in returns nowhere")),
            (false, Some(callback), Some(state), tab) => Ok(Returns::To {
                callback: callback.parse().map_err(|error| malformed(&error))?,
                state: state.parse().map_err(|error| malformed(&error))?,
                tab,
            }),
            (false, ..) => Err(Refusal::malformed("callback and state are missing")),
        }
    }
}

/// A sign-in that waits for the browser.
#[derive(Serialize, ToSchema)]
pub(super) struct Begun {
    sign_in_id: String,
    /// The page to open.
    url: String,
    /// What page and terminal both show.
    matching_code: String,
    expires_ms: u64,
}

/// What finishes a sign-in.
#[derive(Deserialize, ToSchema)]
pub(super) struct FinishWith {
    /// The one-time code of the callback; absent where the matching code was typed.
    code: Option<String>,
    /// The PKCE verifier.
    verifier: String,
}

/// Whether a page was answered.
#[derive(Serialize, ToSchema)]
pub(super) struct Answered {
    answered: bool,
}

/// A finished sign-in.
#[derive(Serialize, ToSchema)]
pub(super) struct Finished {
    sign_in: SignInSeen,
}

/// A sign-in that holds.
#[derive(Serialize, ToSchema)]
pub(super) struct SignInSeen {
    id: String,
    expires_ms: u64,
    passkey_id: String,
    /// Whether its code was typed on another machine.
    headless: bool,
}

impl From<&SignIn> for SignInSeen {
    fn from(sign_in: &SignIn) -> Self {
        Self {
            id: sign_in.id.to_string(),
            expires_ms: sign_in.expires.0,
            passkey_id: sign_in.passkey.to_string(),
            headless: is_headless(sign_in),
        }
    }
}

fn is_headless(sign_in: &SignIn) -> bool {
    SignInRequest::parse(&sign_in.evidence.sent().request).is_ok_and(|request| request.headless)
}

/// Begins a sign-in of the device's owner.
#[utoipa::path(post, path = "/v1/sign-ins", request_body = Begin,
    responses((status = 200, body = Begun), (status = 400, body = Refused), (status = 403, body = Refused)))]
pub(super) async fn begin(
    State(services): State<Services>,
    enrolled: Enrolled,
    Body(asked): Body<Begin>,
) -> Result<Json<Begun>, Refusal> {
    let ask = SignInAsk {
        pkce_challenge: pkce("pkce_challenge", &asked.pkce_challenge)?,
        returns: asked.returns()?,
        source: enrolled.caller().source.ip(),
    };
    let begun = services
        .ceremonies
        .begin_sign_in(enrolled.roster(), enrolled.device(), ask)
        .await?;
    Ok(Json(Begun {
        sign_in_id: begun.id.to_string(),
        url: begun.url,
        matching_code: begun.matching_code,
        expires_ms: begun.expires.0,
    }))
}

/// Waits up to 25 s for the answer of a headless sign-in; asked again until it is there or gone.
#[utoipa::path(get, path = "/v1/sign-ins/{id}", params(("id" = String, Path)),
    responses((status = 200, body = Answered), (status = 403, body = Refused)))]
pub(super) async fn wait(
    State(services): State<Services>,
    enrolled: Enrolled,
    Named(id): Named<SignInId>,
) -> Result<Json<Answered>, Refusal> {
    let device = enrolled.device().key.fingerprint();
    let deadline = Instant::now() + WAIT;
    match services.ceremonies.answered(id, device, deadline).await {
        Ok(()) => Ok(Json(Answered { answered: true })),
        Err(CeremonyError::TimedOut) => Ok(Json(Answered { answered: false })),
        // Noted when the answer came.
        Err(error @ CeremonyError::Refused(_)) => Err(Refusal::from(error).noted()),
        Err(error) => Err(error.into()),
    }
}

/// Finishes a sign-in with the code that came to the loopback port. The device's running sessions go on with it.
#[utoipa::path(post, path = "/v1/sign-ins/{id}/finish", params(("id" = String, Path)), request_body = FinishWith,
    responses((status = 200, body = Finished), (status = 400, body = Refused), (status = 403, body = Refused)))]
pub(super) async fn finish(
    State(services): State<Services>,
    enrolled: Enrolled,
    Named(id): Named<SignInId>,
    Body(with): Body<FinishWith>,
) -> Result<Json<Finished>, Refusal> {
    let finish = Finish {
        id,
        code: with.code,
        verifier: with.verifier,
    };
    let finished = services
        .ceremonies
        .finish_sign_in(enrolled.roster(), enrolled.device(), &finish)
        .await;
    let (passkey_id, reason) = match &finished {
        Ok(sign_in) => (sign_in.passkey.to_string(), String::new()),
        Err(error) => (String::new(), error.reason().to_string()),
    };
    let event = SignInEvent {
        actor: Some(enrolled.actor()),
        sign_in_id: id.to_string(),
        passkey_id,
        reason,
        headless: finished.as_ref().is_ok_and(is_headless),
    };
    services.audit.note(Event::SignIn(event)).await;
    let sign_in = finished.map_err(|error| Refusal::from(error).noted())?;
    services.broker.renew(enrolled.caller(), &sign_in).await;
    let sign_in = SignInSeen::from(&sign_in);
    Ok(Json(Finished { sign_in }))
}

/// Signs out on this device: every sign-in on it ends, and the sessions with them.
#[utoipa::path(delete, path = "/v1/sign-ins/current",
    responses((status = 204), (status = 401, body = Refused)))]
pub(super) async fn end(
    State(services): State<Services>,
    signed_in: SignedIn,
) -> Result<StatusCode, Refusal> {
    let device = signed_in.enrolled().device().id;
    services.broker.sign_out(device).await?;
    Ok(StatusCode::NO_CONTENT)
}
