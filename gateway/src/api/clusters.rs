//! What the caller may connect to.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::refused::Refusal;
use super::role::SignedIn;
use crate::refusal::Refused;
use crate::services::Services;
use crate::store::parties::PartyId;

/// Clusters by name.
#[derive(Serialize, ToSchema)]
pub(super) struct Clusters {
    clusters: Vec<Cluster>,
}

/// A cluster that policy lets the caller connect to.
#[derive(Serialize, ToSchema)]
struct Cluster {
    name: String,
    online: bool,
    /// Whether its connector serves an API server.
    kubernetes: bool,
    /// When a connector was last here; `null` if never.
    last_seen_ms: Option<u64>,
}

/// Services by cluster and name.
#[derive(Serialize, ToSchema)]
pub(super) struct Offered {
    services: Vec<Service>,
}

/// A service that policy lets the caller connect to.
#[derive(Serialize, ToSchema)]
struct Service {
    cluster: String,
    name: String,
    kind: String,
    online: bool,
}

/// Lists the clusters that policy lets the caller connect to.
#[utoipa::path(get, path = "/v1/clusters",
    responses((status = 200, body = Clusters), (status = 401, body = Refused)))]
pub(super) async fn clusters(
    State(services): State<Services>,
    signed_in: SignedIn,
) -> Result<Json<Clusters>, Refusal> {
    let caller = signed_in.enrolled().caller();
    let seen = services
        .broker
        .clusters(caller, signed_in.sign_in())
        .await?;
    let mut clusters = Vec::with_capacity(seen.len());
    for one in seen {
        let row = services
            .store
            .seen(PartyId::Cluster(one.cluster.id))
            .await?;
        clusters.push(Cluster {
            name: one.cluster.name.to_string(),
            online: one.online,
            kubernetes: one.kubernetes,
            last_seen_ms: row.map(|row| row.last.0),
        });
    }
    Ok(Json(Clusters { clusters }))
}

/// Lists the services that policy lets the caller connect to.
#[utoipa::path(get, path = "/v1/services",
    responses((status = 200, body = Offered), (status = 401, body = Refused)))]
pub(super) async fn services(
    State(services): State<Services>,
    signed_in: SignedIn,
) -> Result<Json<Offered>, Refusal> {
    let caller = signed_in.enrolled().caller();
    let seen = services
        .broker
        .services(caller, signed_in.sign_in())
        .await?;
    let offered = seen.into_iter().map(|one| Service {
        cluster: one.cluster.to_string(),
        name: one.name.to_string(),
        kind: one.kind,
        // Only a connector that is here says what it serves.
        online: true,
    });
    Ok(Json(Offered {
        services: offered.collect(),
    }))
}
