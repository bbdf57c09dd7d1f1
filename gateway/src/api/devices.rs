//! Devices of the caller.

use adit_proto::roster::Device;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::refused::Refusal;
use super::role::SignedIn;
use crate::refusal::Refused;
use crate::services::Services;
use crate::store::parties::PartyId;
use crate::store::suspensions::Subject;

/// Devices, in the order of their ids.
#[derive(Serialize, ToSchema)]
pub(super) struct Devices {
    pub(super) devices: Vec<DeviceSeen>,
}

/// A device.
#[derive(Serialize, ToSchema)]
pub(super) struct DeviceSeen {
    id: String,
    name: String,
    owner_id: String,
    owner_name: String,
    key: String,
    /// `active`, `suspended` or `revoked`.
    state: &'static str,
    /// Why it is suspended or revoked.
    reason: Option<String>,
    tier: u32,
    tier_cap: u8,
    /// `null` if it never called.
    last_seen_ms: Option<u64>,
    source_address: Option<String>,
    version: Option<String>,
}

impl DeviceSeen {
    /// What roster, suspensions and inventory say of a device.
    pub(super) async fn of(
        services: &Services,
        roster: &adit_proto::roster::Roster,
        device: &Device,
    ) -> Result<Self, Refusal> {
        let owner = roster.user(device.owner);
        let suspended = services.suspensions.current();
        let suspension = suspended
            .of(Subject::Device(device.id))
            .or_else(|| suspended.of(Subject::User(device.owner)));
        let revoked = device
            .revoked
            .as_ref()
            .or_else(|| owner.and_then(|owner| owner.revoked.as_ref()));
        let (state, reason) = match (revoked, suspension) {
            (Some(revoked), _) => ("revoked", Some(revoked.reason.clone())),
            (None, Some(suspension)) => ("suspended", Some(suspension.reason.clone())),
            (None, None) => ("active", None),
        };
        let seen = services.store.seen(PartyId::Device(device.id)).await?;
        Ok(Self {
            id: device.id.to_string(),
            name: device.name.clone(),
            owner_id: device.owner.to_string(),
            owner_name: owner.map(|owner| owner.name.clone()).unwrap_or_default(),
            key: device.key.fingerprint().to_string(),
            state,
            reason,
            tier: adit_attest::Tier::Identified.number(),
            tier_cap: device.tier_cap,
            last_seen_ms: seen.as_ref().map(|seen| seen.last.0),
            source_address: seen.as_ref().map(|seen| seen.source_address.clone()),
            version: seen.map(|seen| seen.version),
        })
    }
}

/// Lists the caller's devices.
#[utoipa::path(get, path = "/v1/devices",
    responses((status = 200, body = Devices), (status = 401, body = Refused)))]
pub(super) async fn own(
    State(services): State<Services>,
    signed_in: SignedIn,
) -> Result<Json<Devices>, Refusal> {
    let (roster, user) = (
        signed_in.enrolled().roster(),
        signed_in.enrolled().user().id,
    );
    let mut devices = Vec::new();
    for device in roster.devices().filter(|device| device.owner == user) {
        devices.push(DeviceSeen::of(&services, roster, device).await?);
    }
    Ok(Json(Devices { devices }))
}
