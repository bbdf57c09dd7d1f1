//! All clusters and all sessions.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::refused::Refusal;
use crate::api::role::Admin;
use crate::api::sessions::{SessionSeen, Sessions};
use crate::refusal::Refused;
use crate::services::Services;
use crate::store::parties::PartyId;

/// Clusters, in the order of their ids.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Clusters {
    clusters: Vec<ClusterSeen>,
}

/// A cluster.
#[derive(Serialize, ToSchema)]
struct ClusterSeen {
    id: String,
    name: String,
    key: String,
    /// Why it was revoked; `null` while active.
    revoked: Option<String>,
    /// How many of its connectors are here.
    connectors: usize,
    /// When one was last here; `null` if never.
    last_seen_ms: Option<u64>,
    version: Option<String>,
}

/// Lists all clusters.
#[utoipa::path(get, path = "/v1/admin/clusters",
    responses((status = 200, body = Clusters), (status = 403, body = Refused)))]
pub(in crate::api) async fn clusters(
    State(services): State<Services>,
    admin: Admin,
) -> Result<Json<Clusters>, Refusal> {
    let mut clusters = Vec::new();
    for cluster in admin.enrolled().roster().clusters() {
        let seen = services.store.seen(PartyId::Cluster(cluster.id)).await?;
        clusters.push(ClusterSeen {
            id: cluster.id.to_string(),
            name: cluster.name.to_string(),
            key: cluster.key.fingerprint().to_string(),
            revoked: cluster.revoked.as_ref().map(|it| it.reason.clone()),
            connectors: services.registry.connectors(cluster.id).len(),
            last_seen_ms: seen.as_ref().map(|seen| seen.last.0),
            version: seen.map(|seen| seen.version),
        });
    }
    Ok(Json(Clusters { clusters }))
}

/// Lists all live sessions.
#[utoipa::path(get, path = "/v1/admin/sessions",
    responses((status = 200, body = Sessions), (status = 403, body = Refused)))]
pub(in crate::api) async fn sessions(State(services): State<Services>, _: Admin) -> Json<Sessions> {
    let live = services.broker.live();
    Json(live.iter().map(SessionSeen::from).collect())
}
