//! Sessions of the caller.

use adit_proto::Reason;
use adit_proto::id::SessionId;
use adit_proto::target::Target;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::{Body, Named, base64};
use super::refused::Refusal;
use super::role::SignedIn;
use crate::refusal::Refused;
use crate::services::Services;
use crate::store::sessions::Session;

/// What is to be reached.
#[derive(Deserialize, ToSchema)]
pub(super) struct Wanted {
    /// `cluster/NAME` or `service/CLUSTER/NAME`.
    target: String,
}

/// A session that can be used now.
#[derive(Serialize, ToSchema)]
pub(super) struct Opened {
    session_id: String,
    target: String,
    /// SubjectPublicKeyInfo of the other end, in base64. The roster has the last word on it.
    cluster_key: String,
    /// The process at the other end, in base64.
    instance: String,
    /// Where the link is dialled to: 16 hexadecimal digits.
    route: String,
    expires_ms: u64,
    idle_ms: u64,
}

/// Sessions, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Sessions {
    sessions: Vec<SessionSeen>,
}

/// A live session.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionSeen {
    id: String,
    user_id: String,
    device_id: String,
    target: String,
    opened_ms: u64,
    expires_ms: u64,
    idle_ms: u64,
}

impl From<&Session> for SessionSeen {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id.to_string(),
            user_id: session.user.to_string(),
            device_id: session.device.to_string(),
            target: session.target.to_string(),
            opened_ms: session.opened.0,
            expires_ms: session.expires.0,
            idle_ms: millis(session.idle),
        }
    }
}

impl FromIterator<SessionSeen> for Sessions {
    fn from_iter<I: IntoIterator<Item = SessionSeen>>(sessions: I) -> Self {
        Self {
            sessions: sessions.into_iter().collect(),
        }
    }
}

/// Opens a session.
#[utoipa::path(post, path = "/v1/sessions", request_body = Wanted,
    responses((status = 200, body = Opened), (status = 403, body = Refused), (status = 503, body = Refused)))]
pub(super) async fn open(
    State(services): State<Services>,
    signed_in: SignedIn,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Opened>, Refusal> {
    let target: Target = wanted
        .target
        .parse()
        .map_err(|_| Refusal::malformed("a target is cluster/NAME or service/CLUSTER/NAME"))?;
    let opened = services
        .broker
        .open(signed_in.enrolled().caller(), &target)
        .await
        .map_err(|denied| Refusal::from(denied).noted())?;
    let session = opened.session;
    Ok(Json(Opened {
        session_id: session.id.to_string(),
        target: session.target.to_string(),
        cluster_key: base64(opened.cluster_key.spki()),
        instance: base64(&session.instance),
        route: format!("{:016x}", opened.route.bits()),
        expires_ms: session.expires.0,
        idle_ms: millis(session.idle),
    }))
}

/// Lists the caller's live sessions, on all devices.
#[utoipa::path(get, path = "/v1/sessions",
    responses((status = 200, body = Sessions), (status = 401, body = Refused)))]
pub(super) async fn list(State(services): State<Services>, signed_in: SignedIn) -> Json<Sessions> {
    let user = signed_in.enrolled().user().id;
    let live = services.broker.live();
    let own = live.iter().filter(|session| session.user == user);
    Json(own.map(SessionSeen::from).collect())
}

/// Ends a session of the caller; an admin ends anybody's.
#[utoipa::path(delete, path = "/v1/sessions/{id}", params(("id" = String, Path)),
    responses((status = 204), (status = 403, body = Refused)))]
pub(super) async fn end(
    State(services): State<Services>,
    signed_in: SignedIn,
    Named(id): Named<SessionId>,
) -> Result<StatusCode, Refusal> {
    let unknown = || Refusal::of(Reason::UnknownOrForbidden);
    let (user, admin) = (
        signed_in.enrolled().user().id,
        signed_in.enrolled().is_admin(),
    );
    let live = services.broker.live();
    let found = live
        .iter()
        .find(|session| session.id == id)
        .ok_or_else(unknown)?;
    if found.user != user && !admin {
        return Err(unknown());
    }
    let by = if found.user == user {
        "closed by its user"
    } else {
        "ended by an admin"
    };
    let ended = services.broker.end(id, Reason::SessionRevoked, by).await;
    ended.then_some(StatusCode::NO_CONTENT).ok_or_else(unknown)
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
