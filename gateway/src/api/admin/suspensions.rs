//! Suspensions: the gateway's own denial of a device, which can be taken back.

use adit_proto::Reason;
use adit_proto::id::DeviceId;
use adit_proto::wire::audit::AdminAction;
use adit_proto::wire::audit::record::Event;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::input::{Body, Named};
use crate::api::refused::Refusal;
use crate::api::role::Admin;
use crate::refusal::Refused;
use crate::services::Services;
use crate::store::suspensions::Subject;

/// Why a device is suspended.
#[derive(Deserialize, ToSchema)]
pub(in crate::api) struct Why {
    /// Shown to who is refused.
    reason: String,
}

/// Suspends a device: its sessions end within a second.
#[utoipa::path(post, path = "/v1/admin/devices/{id}/suspend", params(("id" = String, Path)), request_body = Why,
    responses((status = 204), (status = 403, body = Refused)))]
pub(in crate::api) async fn suspend(
    State(services): State<Services>,
    admin: Admin,
    Named(id): Named<DeviceId>,
    Body(why): Body<Why>,
) -> Result<StatusCode, Refusal> {
    set(&services, &admin, id, Some(&why.reason)).await
}

/// Ends a device's suspension.
#[utoipa::path(post, path = "/v1/admin/devices/{id}/resume", params(("id" = String, Path)),
    responses((status = 204), (status = 403, body = Refused)))]
pub(in crate::api) async fn resume(
    State(services): State<Services>,
    admin: Admin,
    Named(id): Named<DeviceId>,
) -> Result<StatusCode, Refusal> {
    set(&services, &admin, id, None).await
}

async fn set(
    services: &Services,
    admin: &Admin,
    id: DeviceId,
    why: Option<&str>,
) -> Result<StatusCode, Refusal> {
    let enrolled = admin.enrolled();
    if enrolled.roster().device(id).is_none() {
        return Err(Refusal::of(Reason::UnknownOrForbidden));
    }
    let (suspended, reason) = (why.is_some(), why.unwrap_or_default());
    let actor = enrolled.user().id;
    services
        .suspensions
        .set(Subject::Device(id), suspended, reason, actor)
        .await?;
    let action = if suspended {
        "suspend a device"
    } else {
        "resume a device"
    };
    let event = AdminAction {
        actor: Some(enrolled.actor()),
        action: action.to_owned(),
        subject: id.to_string(),
    };
    services.audit.note(Event::AdminAction(event)).await;
    Ok(StatusCode::NO_CONTENT)
}
