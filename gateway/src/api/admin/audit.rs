//! The audit log of the gateway and of all connectors.

mod event;

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::api::input::Asked;
use crate::api::refused::Refusal;
use crate::api::role::Admin;
use crate::refusal::Refused;
use crate::services::Services;
use crate::store::audit::StoredRecord;

/// Events of one answer, if the caller does not say.
const PAGE: u32 = 100;
/// Most events of one answer.
const PAGE_MAX: u32 = 1000;

/// Which events.
#[derive(Deserialize, IntoParams)]
pub(in crate::api) struct Page {
    /// The cursor of the last event that the caller has; zero for the first page.
    #[serde(default)]
    after: u64,
    /// How many at most; 1000 at the most.
    limit: Option<u32>,
}

/// Events in the order in which the gateway stored them.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Events {
    events: Vec<EventSeen>,
}

/// One event.
#[derive(Serialize, ToSchema)]
pub(super) struct EventSeen {
    /// Where to go on.
    cursor: u64,
    /// The writer's chain, in base64.
    chain: String,
    seq: u64,
    /// The writer's clock.
    time_ms: u64,
    event_id: String,
    /// What happened; the other members depend on it.
    kind: &'static str,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    members: Map<String, Value>,
}

/// Lists events.
#[utoipa::path(get, path = "/v1/admin/audit", params(Page),
    responses((status = 200, body = Events), (status = 403, body = Refused)))]
pub(in crate::api) async fn events(
    State(services): State<Services>,
    _: Admin,
    Asked(page): Asked<Page>,
) -> Result<Json<Events>, Refusal> {
    let limit = page.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let stored = services.store.audit_after(page.after, limit).await?;
    let events = stored.iter().map(seen).collect();
    Ok(Json(Events { events }))
}

/// A record that this version cannot read is shown by its place, as `unreadable`.
fn seen(stored: &StoredRecord) -> EventSeen {
    let record = adit_proto::wire::audit::Record::decode(&stored.record.record[..]);
    let (event_id, (kind, members)) = match record {
        Ok(record) => (record.event_id, event::members(record.event)),
        Err(_) => (String::new(), ("unreadable", Map::new())),
    };
    EventSeen {
        cursor: stored.position,
        chain: STANDARD.encode(stored.chain),
        seq: stored.record.seq,
        time_ms: stored.record.time.0,
        event_id,
        kind,
        members,
    }
}
