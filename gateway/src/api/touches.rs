//! Touches over statements of the roster.

use std::time::Duration;

use adit_proto::key::Fingerprint;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::input::{Body, Named, base64, hash};
use super::refused::Refusal;
use super::role::SignedIn;
use crate::ceremony::{CeremonyError, CeremonyId, KnownPasskey, TouchAsk};
use crate::refusal::Refused;
use crate::services::Services;

/// How long one request waits for the browser. Shorter than what is between client and gateway lets a stream idle.
pub(super) const WAIT: Duration = Duration::from_secs(25);

/// What is to be approved.
#[derive(Deserialize, ToSchema)]
pub(super) struct Wanted {
    /// The statement's kind.
    kind: u16,
    /// Fingerprint of the key that signs it, 32 bytes in base64.
    signer: String,
    /// SHA-256 of its body, in base64.
    body_hash: String,
    /// A tab of this device that goes on to the touch.
    ceremony_id: Option<String>,
}

/// A touch that waits for the browser.
#[derive(Serialize, ToSchema)]
pub(super) struct Begun {
    touch_id: String,
    /// The page to open.
    url: String,
    /// Four words of the body's hash, which the page shows too. The client computes them itself.
    words: String,
    expires_ms: u64,
}

/// What came of a touch so far.
#[derive(Serialize, ToSchema)]
pub(super) struct Touched {
    /// `null` while nobody has answered.
    assertion: Option<AssertionSeen>,
}

/// An assertion as the browser sent it; each member in base64.
#[derive(Serialize, ToSchema)]
struct AssertionSeen {
    credential_id: String,
    client_data_json: String,
    authenticator_data: String,
    signature: String,
}

/// Asks the caller's passkey for a touch over the body of a statement.
#[utoipa::path(post, path = "/v1/touches", request_body = Wanted,
    responses((status = 200, body = Begun), (status = 400, body = Refused)))]
pub(super) async fn begin(
    State(services): State<Services>,
    signed_in: SignedIn,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Begun>, Refusal> {
    let enrolled = signed_in.enrolled();
    let (roster, device) = (enrolled.roster(), enrolled.device());
    let passkeys = roster.passkeys_of(device.owner).map(KnownPasskey::from);
    let tab = wanted.ceremony_id.as_deref().map(str::parse).transpose();
    let tab: Option<CeremonyId> =
        tab.map_err(|_| Refusal::malformed("ceremony_id is not the name of a ceremony"))?;
    let ask = TouchAsk {
        device: device.key.fingerprint(),
        device_name: device.name.clone(),
        owner: enrolled.user().name.clone(),
        source_address: enrolled.caller().source.ip().to_string(),
        passkeys: passkeys.collect(),
        relying_party: roster.relying_party().clone(),
        genesis: roster.genesis(),
        kind: wanted.kind,
        signer: Fingerprint(hash("signer", &wanted.signer)?),
        body_hash: hash("body_hash", &wanted.body_hash)?,
        goes_on: false,
    };
    let begun = services
        .ceremonies
        .begin_touch(ask, services.config.lives.touch)
        .await?;
    if let Some(tab) = tab {
        let device = device.key.fingerprint();
        services.ceremonies.lead_on(tab, device, begun.id).await?;
    }
    Ok(Json(Begun {
        touch_id: begun.id.to_string(),
        url: begun.url,
        words: begun.matching_code,
        expires_ms: begun.expires.0,
    }))
}

/// Waits up to 25 s for the browser; asked again until the touch is there or gone.
#[utoipa::path(get, path = "/v1/touches/{id}", params(("id" = String, Path)),
    responses((status = 200, body = Touched), (status = 403, body = Refused)))]
pub(super) async fn wait(
    State(services): State<Services>,
    signed_in: SignedIn,
    Named(id): Named<CeremonyId>,
) -> Result<Json<Touched>, Refusal> {
    let device = signed_in.enrolled().device().key.fingerprint();
    let deadline = Instant::now() + WAIT;
    match services.ceremonies.touch_of(id, device, deadline).await {
        Ok(sent) => Ok(Json(Touched {
            assertion: Some(AssertionSeen {
                credential_id: base64(&sent.credential_id),
                client_data_json: base64(&sent.client_data_json),
                authenticator_data: base64(&sent.authenticator_data),
                signature: base64(&sent.signature),
            }),
        })),
        Err(CeremonyError::TimedOut) => Ok(Json(Touched { assertion: None })),
        // Noted when the answer came.
        Err(error @ CeremonyError::Refused(_)) => Err(Refusal::from(error).noted()),
        Err(error) => Err(error.into()),
    }
}
