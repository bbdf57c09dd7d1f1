//! Passkeys of the caller: the list, and the registration of a further one.

use adit_proto::Reason;
use adit_proto::roster::{PASSKEYS_MAX, Passkey};
use adit_proto::wire::roster::{Body as StatementBody, Statement, statement::Content};
use axum::Json;
use axum::extract::State;
use prost::Message;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::input::{Body, Named, base64, hash};
use super::refused::Refusal;
use super::role::SignedIn;
use super::touches::WAIT;
use crate::ceremony::{CeremonyError, CeremonyId};
use crate::refusal::Refused;
use crate::services::Services;

/// Passkeys, in the order of their ids.
#[derive(Serialize, ToSchema)]
pub(super) struct Passkeys {
    passkeys: Vec<PasskeySeen>,
}

/// A passkey of the caller.
#[derive(Serialize, ToSchema)]
struct PasskeySeen {
    id: String,
    name: String,
    /// In base64.
    credential_id: String,
    /// `COSE_Key`, in base64.
    cose_key: String,
    /// Whether the sign-in on this device is by it.
    signed_in: bool,
    /// Why it was revoked; `null` while active.
    revoked: Option<String>,
}

/// What begins a registration.
#[derive(Deserialize, ToSchema)]
pub(super) struct RegistrationWanted {
    /// 32 random bytes of the client, in base64: its half of the challenge.
    nonce: String,
}

/// A registration that waits for the browser.
#[derive(Serialize, ToSchema)]
pub(super) struct RegistrationBegun {
    registration_id: String,
    /// The page to open.
    url: String,
    /// What page and terminal both show.
    matching_code: String,
    /// The gateway's half of the challenge, in base64.
    nonce: String,
    expires_ms: u64,
}

/// What came of a registration so far.
#[derive(Serialize, ToSchema)]
pub(super) struct RegistrationAnswer {
    /// `null` while nobody has answered.
    registration: Option<RegistrationSeen>,
}

/// A registration as the browser sent it; each member in base64.
#[derive(Serialize, ToSchema)]
struct RegistrationSeen {
    attestation_object: String,
    client_data_json: String,
}

/// Lists the caller's passkeys.
#[utoipa::path(get, path = "/v1/passkeys",
    responses((status = 200, body = Passkeys), (status = 401, body = Refused)))]
pub(super) async fn own(signed_in: SignedIn) -> Json<Passkeys> {
    let enrolled = signed_in.enrolled();
    let user = enrolled.user().id;
    let theirs = enrolled.roster().passkeys().filter(|it| it.owner == user);
    let seen = |passkey: &Passkey| PasskeySeen {
        id: passkey.id.to_string(),
        name: passkey.name.clone(),
        credential_id: base64(&passkey.credential_id),
        cose_key: base64(&passkey.cose_key),
        signed_in: signed_in.sign_in().passkey == passkey.id,
        revoked: passkey.revoked.as_ref().map(|it| it.reason.clone()),
    };
    Json(Passkeys {
        passkeys: theirs.map(seen).collect(),
    })
}

/// Begins the registration of a further passkey.
#[utoipa::path(post, path = "/v1/passkeys/registrations", request_body = RegistrationWanted,
    responses((status = 200, body = RegistrationBegun), (status = 403, body = Refused), (status = 429, body = Refused)))]
pub(super) async fn register(
    State(services): State<Services>,
    signed_in: SignedIn,
    Body(asked): Body<RegistrationWanted>,
) -> Result<Json<RegistrationBegun>, Refusal> {
    let enrolled = signed_in.enrolled();
    let nonce = hash("nonce", &asked.nonce)?;
    // The roster would refuse it; said before anybody makes a passkey for nothing.
    if !enrolled.user().self_service {
        let message = "your entry in the roster does not let you add passkeys; \
            an admin can: `adit admin users set NAME --self-service true`";
        return Err(Refusal::with(Reason::PolicyDenied, message));
    }
    let held = enrolled.roster().passkeys_of(enrolled.user().id).count();
    if held >= PASSKEYS_MAX {
        let message = "you have as many passkeys as one may have; remove one first";
        return Err(Refusal::with(Reason::LimitReached, message));
    }
    let source = enrolled.caller().source.ip();
    let (begun, gateways_nonce) = services
        .ceremonies
        .begin_further(enrolled.roster(), enrolled.device(), &nonce, source)
        .await?;
    Ok(Json(RegistrationBegun {
        registration_id: begun.id.to_string(),
        url: begun.url,
        matching_code: begun.matching_code,
        nonce: base64(&gateways_nonce),
        expires_ms: begun.expires.0,
    }))
}

/// Waits up to 25 s for the browser; asked again until the registration is there or gone.
#[utoipa::path(get, path = "/v1/passkeys/registrations/{id}", params(("id" = String, Path)),
    responses((status = 200, body = RegistrationAnswer), (status = 403, body = Refused)))]
pub(super) async fn registered(
    State(services): State<Services>,
    signed_in: SignedIn,
    Named(id): Named<CeremonyId>,
) -> Result<Json<RegistrationAnswer>, Refusal> {
    let device = signed_in.enrolled().device().key.fingerprint();
    let deadline = Instant::now() + WAIT;
    let waited = services.ceremonies.registration_of(id, device, deadline);
    match waited.await {
        Ok(sent) => Ok(Json(RegistrationAnswer {
            registration: Some(RegistrationSeen {
                attestation_object: base64(&sent.attestation_object),
                client_data_json: base64(&sent.client_data_json),
            }),
        })),
        Err(CeremonyError::TimedOut) => Ok(Json(RegistrationAnswer { registration: None })),
        // Noted when the answer came.
        Err(error @ CeremonyError::Refused(_)) => Err(Refusal::from(error).noted()),
        Err(error) => Err(error.into()),
    }
}

/// Refuses a statement that adds another passkey than the one that this gateway saw a browser make for the device.
pub(super) async fn check_seen(
    services: &Services,
    signed_in: &SignedIn,
    registration: Option<&str>,
    statement: &Statement,
) -> Result<(), Refusal> {
    let malformed = || Refusal::malformed("registration_id is not the name of a registration");
    let id = registration.ok_or_else(malformed)?.parse();
    let id = id.map_err(|_| malformed())?;
    let device = signed_in.enrolled().device().key.fingerprint();
    let seen = services.ceremonies.further_passkey(id, device).await?;
    let other = || {
        let message = "the statement adds another passkey than the one that was registered";
        Refusal::with(Reason::EvidenceInvalid, message)
    };
    let Some(Content::Body(bytes)) = &statement.content else {
        return Err(other());
    };
    let body = StatementBody::decode(&bytes[..]).map_err(|_| other())?;
    let mut added = body.owns.iter().filter_map(|own| own.passkey.as_ref());
    let same = added.all(|it| {
        it.credential_id == seen.credential_id()
            && it.cose_key == seen.cose_key()
            && it.aaguid == seen.aaguid()
    });
    same.then_some(()).ok_or_else(other)
}
