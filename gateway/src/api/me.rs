//! Who the caller is.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::refused::Refusal;
use super::role::Enrolled;
use super::sign_ins::SignInSeen;
use crate::refusal::Refused;
use crate::services::Services;

/// The caller.
#[derive(Serialize, ToSchema)]
pub(super) struct WhoAmI {
    user: UserSeen,
    device: DeviceSeen,
    /// The sign-in on this device, if there is one.
    sign_in: Option<SignInSeen>,
    gateway: GatewaySeen,
}

/// A user as he sees himself.
#[derive(Serialize, ToSchema)]
struct UserSeen {
    id: String,
    name: String,
    groups: Vec<String>,
    admin: bool,
}

/// The device that calls.
#[derive(Serialize, ToSchema)]
struct DeviceSeen {
    id: String,
    name: String,
    tier: u32,
}

/// The gateway that answers.
#[derive(Serialize, ToSchema)]
struct GatewaySeen {
    version: &'static str,
    /// Its clock, in milliseconds since 1970.
    now_ms: u64,
    /// The newest statement of its roster.
    roster_number: u64,
}

/// Says who calls, and whether somebody is signed in.
#[utoipa::path(get, path = "/v1/whoami",
    responses((status = 200, body = WhoAmI), (status = 403, body = Refused)))]
pub(super) async fn whoami(
    State(services): State<Services>,
    enrolled: Enrolled,
) -> Result<Json<WhoAmI>, Refusal> {
    let (user, device) = (enrolled.user(), enrolled.device());
    let held = services
        .store
        .sign_in_of(
            device.id,
            services.clock.now(),
            services.config.lives.sign_in_idle,
        )
        .await?
        .ok();
    let holds = |sign_in: &crate::store::sign_ins::SignIn| {
        services
            .ceremonies
            .holds(enrolled.roster(), device, sign_in)
            .is_ok()
    };
    Ok(Json(WhoAmI {
        user: UserSeen {
            id: user.id.to_string(),
            name: user.name.clone(),
            groups: user.groups.clone(),
            admin: enrolled.is_admin(),
        },
        device: DeviceSeen {
            id: device.id.to_string(),
            name: device.name.clone(),
            tier: adit_attest::Tier::Identified.number(),
        },
        sign_in: held.filter(holds).as_ref().map(SignInSeen::from),
        gateway: GatewaySeen {
            version: env!("CARGO_PKG_VERSION"),
            now_ms: services.clock.now().0,
            roster_number: enrolled.roster().number(),
        },
    }))
}
