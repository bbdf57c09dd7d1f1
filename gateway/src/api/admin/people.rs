//! Users, their devices and invitations.

use adit_proto::roster::{Admits, Invitation, Role, Roster, User};
use adit_proto::time::UnixMillis;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::devices::{DeviceSeen, Devices};
use crate::api::refused::Refusal;
use crate::api::role::Admin;
use crate::refusal::Refused;
use crate::services::Services;

/// Users, in the order of their ids.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Users {
    users: Vec<UserSeen>,
}

/// A user.
#[derive(Serialize, ToSchema)]
struct UserSeen {
    id: String,
    name: String,
    groups: Vec<String>,
    admin: bool,
    /// `user`, `device-manager` or `auditor`.
    role: &'static str,
    self_service: bool,
    /// Why the user was revoked; `null` while active.
    revoked: Option<String>,
    passkeys: Vec<PasskeySeen>,
}

/// A passkey.
#[derive(Serialize, ToSchema)]
struct PasskeySeen {
    id: String,
    name: String,
    /// Why it was revoked; `null` while active.
    revoked: Option<String>,
}

/// Invitations, in the order of their ids.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Invitations {
    invitations: Vec<InvitationSeen>,
}

/// An invitation. Its text is known to nobody here.
#[derive(Serialize, ToSchema)]
struct InvitationSeen {
    id: String,
    user_id: String,
    user_name: String,
    /// `device`, `passkey` or `both`.
    admits: &'static str,
    expires_ms: u64,
    /// `open`, `used`, `expired` or `revoked`.
    state: &'static str,
}

/// Lists all users.
#[utoipa::path(get, path = "/v1/admin/users",
    responses((status = 200, body = Users), (status = 403, body = Refused)))]
pub(in crate::api) async fn users(admin: Admin) -> Json<Users> {
    let roster = admin.enrolled().roster();
    let users = roster.users().map(|user| user_seen(roster, user)).collect();
    Json(Users { users })
}

/// Lists all devices.
#[utoipa::path(get, path = "/v1/admin/devices",
    responses((status = 200, body = Devices), (status = 403, body = Refused)))]
pub(in crate::api) async fn devices(
    State(services): State<Services>,
    admin: Admin,
) -> Result<Json<Devices>, Refusal> {
    let roster = admin.enrolled().roster();
    let mut devices = Vec::new();
    for device in roster.devices() {
        devices.push(DeviceSeen::of(&services, roster, device).await?);
    }
    Ok(Json(Devices { devices }))
}

/// Lists all invitations.
#[utoipa::path(get, path = "/v1/admin/invitations",
    responses((status = 200, body = Invitations), (status = 403, body = Refused)))]
pub(in crate::api) async fn invitations(
    State(services): State<Services>,
    admin: Admin,
) -> Json<Invitations> {
    let (roster, now) = (admin.enrolled().roster(), services.clock.now());
    let invitations = roster.invitations();
    let seen = invitations.map(|invitation| invitation_seen(roster, invitation, now));
    Json(Invitations {
        invitations: seen.collect(),
    })
}

fn user_seen(roster: &Roster, user: &User) -> UserSeen {
    let passkeys = roster.passkeys().filter(|passkey| passkey.owner == user.id);
    UserSeen {
        id: user.id.to_string(),
        name: user.name.clone(),
        groups: user.groups.clone(),
        admin: roster.is_admin(user.id),
        role: match user.role {
            Role::User => "user",
            Role::DeviceManager => "device-manager",
            Role::Auditor => "auditor",
        },
        self_service: user.self_service,
        revoked: user.revoked.as_ref().map(|it| it.reason.clone()),
        passkeys: passkeys
            .map(|passkey| PasskeySeen {
                id: passkey.id.to_string(),
                name: passkey.name.clone(),
                revoked: passkey.revoked.as_ref().map(|it| it.reason.clone()),
            })
            .collect(),
    }
}

fn invitation_seen(roster: &Roster, invitation: &Invitation, now: UnixMillis) -> InvitationSeen {
    let signer = roster.device(invitation.signer);
    let stands = signer.is_some_and(|it| roster.active_device(&it.key.fingerprint()).is_ok());
    let state = if invitation.used.is_some() {
        "used"
    } else if invitation.revoked.is_some() || !stands {
        "revoked"
    } else if invitation.expires <= now {
        "expired"
    } else {
        "open"
    };
    let user = roster.user(invitation.user);
    InvitationSeen {
        id: invitation.id.to_string(),
        user_id: invitation.user.to_string(),
        user_name: user.map(|user| user.name.clone()).unwrap_or_default(),
        admits: match invitation.admits {
            Admits::Device => "device",
            Admits::Passkey => "passkey",
            Admits::Both => "both",
        },
        expires_ms: invitation.expires.0,
        state,
    }
}
