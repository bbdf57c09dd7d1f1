//! Policies: texts that a statement of the roster may name.

use adit_policy::CheckedPolicy;
use adit_proto::Reason;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::input::{Body, Named, base64};
use crate::api::refused::Refusal;
use crate::api::role::Admin;
use crate::refusal::Refused;
use crate::services::Services;

/// A policy's text.
#[derive(Deserialize, ToSchema)]
pub(in crate::api) struct Text {
    text: String,
}

/// A text that is kept.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Kept {
    /// What a policy statement names, in base64.
    digest: String,
}

/// A text that could be used.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Checked {
    ok: bool,
}

/// A policy of the roster.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct PolicySeen {
    number: u64,
    /// In base64.
    digest: String,
    text: String,
}

/// Keeps a text, so that a policy statement can name it. Nothing changes before that.
#[utoipa::path(put, path = "/v1/admin/policies", request_body = Text,
    responses((status = 200, body = Kept), (status = 403, body = Refused)))]
pub(in crate::api) async fn keep(
    State(services): State<Services>,
    admin: Admin,
    Body(Text { text }): Body<Text>,
) -> Result<Json<Kept>, Refusal> {
    let policy = read(&text)?;
    let actor = admin.enrolled().user().id;
    let now = services.clock.now();
    services
        .store
        .keep_policy(policy.digest(), policy.text(), actor, now)
        .await?;
    Ok(Json(Kept {
        digest: base64(policy.digest()),
    }))
}

/// Checks a text without keeping it.
#[utoipa::path(post, path = "/v1/admin/policies/check", request_body = Text,
    responses((status = 200, body = Checked), (status = 403, body = Refused)))]
pub(in crate::api) async fn check(
    _: Admin,
    Body(Text { text }): Body<Text>,
) -> Result<Json<Checked>, Refusal> {
    read(&text)?;
    Ok(Json(Checked { ok: true }))
}

/// The policy in force.
#[utoipa::path(get, path = "/v1/admin/policies/current",
    responses((status = 200, body = PolicySeen), (status = 403, body = Refused)))]
pub(in crate::api) async fn current(
    State(services): State<Services>,
    admin: Admin,
) -> Result<Json<PolicySeen>, Refusal> {
    let none = || Refusal::with(Reason::PolicyError, "no policy was applied yet");
    let head = admin.enrolled().roster().policy().ok_or_else(none)?;
    seen(&services, head.number, &head.digest).await
}

/// A policy by its number.
#[utoipa::path(get, path = "/v1/admin/policies/{number}", params(("number" = u64, Path)),
    responses((status = 200, body = PolicySeen), (status = 403, body = Refused)))]
pub(in crate::api) async fn numbered(
    State(services): State<Services>,
    admin: Admin,
    Named(number): Named<u64>,
) -> Result<Json<PolicySeen>, Refusal> {
    let digest = admin.enrolled().roster().policy_digest_of(number);
    let digest = digest.ok_or_else(|| Refusal::of(Reason::UnknownOrForbidden))?;
    seen(&services, number, digest).await
}

async fn seen(
    services: &Services,
    number: u64,
    digest: &[u8; 32],
) -> Result<Json<PolicySeen>, Refusal> {
    let lost = || Refusal::with(Reason::PolicyError, "the text of this policy is missing");
    let text = services.store.policy(digest).await?.ok_or_else(lost)?;
    Ok(Json(PolicySeen {
        number,
        digest: base64(digest),
        text,
    }))
}

/// The whole text or nothing; what is wrong is said with its line and rule.
fn read(text: &str) -> Result<CheckedPolicy, Refusal> {
    CheckedPolicy::parse(text)
        .map_err(|error| Refusal::with(Reason::PolicyError, error.to_string()))
}
