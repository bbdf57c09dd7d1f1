//! Events of `audit.proto` as JSON: the members' names are those of the messages.

use adit_proto::wire::audit::record::Event;
use adit_proto::wire::audit::{
    Actor, RequestIntent, RequestOutcome, SessionDecided, StreamOutcome,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The kind of an event and its members.
pub(super) fn members(event: Option<Event>) -> (&'static str, Map<String, Value>) {
    let Some(event) = event else {
        // An event of a later version.
        return ("unknown", Map::new());
    };
    let (kind, members) = match event {
        Event::ChainStarted(it) => (
            "chain_started",
            json!({"writer": it.writer, "instance": STANDARD.encode(it.instance),
                "survives_restart": it.survives_restart}),
        ),
        Event::SessionDecided(it) => ("session_decided", session_decided(it)),
        Event::RequestIntent(it) => ("request_intent", request_intent(it)),
        Event::RequestOutcome(it) => ("request_outcome", request_outcome(&it)),
        Event::RequestExplained(it) => (
            "request_explained",
            request_intent(it.request.unwrap_or_default()),
        ),
        Event::SessionOver(it) => (
            "session_over",
            json!({"session_id": it.session_id, "reason": it.reason}),
        ),
        Event::StreamIntent(it) => (
            "stream_intent",
            json!({"actor": actor(it.actor), "stream_id": it.stream_id, "service": it.service,
                "reason": it.reason}),
        ),
        Event::StreamOutcome(it) => ("stream_outcome", stream_outcome(&it)),
        Event::SignIn(it) => (
            "sign_in",
            json!({"actor": actor(it.actor), "sign_in_id": it.sign_in_id, "passkey_id": it.passkey_id,
                "reason": it.reason, "headless": it.headless}),
        ),
        Event::Enrolment(it) => (
            "enrolment",
            json!({"actor": actor(it.actor), "invitation_id": it.invitation_id,
                "device_name": it.device_name, "reason": it.reason}),
        ),
        Event::StatementAppended(it) => (
            "statement_appended",
            json!({"number": it.number, "hash": STANDARD.encode(it.hash), "statement_kind": it.kind,
                "signer": STANDARD.encode(it.signer)}),
        ),
        Event::AdminAction(it) => (
            "admin_action",
            json!({"actor": actor(it.actor), "action": it.action, "subject": it.subject}),
        ),
        Event::Refusal(it) => (
            "refusal",
            json!({"actor": actor(it.actor), "subject": it.subject, "reason": it.reason,
                "detail": it.detail}),
        ),
    };
    let members = members.as_object().cloned().unwrap_or_default();
    (kind, members)
}

fn session_decided(it: SessionDecided) -> Value {
    json!({"actor": actor(it.actor), "target": it.target, "reason": it.reason, "detail": it.detail,
        "policy_number": it.policy_number, "roster_number": it.roster_number,
        "kube_groups": it.kube_groups})
}

fn request_outcome(it: &RequestOutcome) -> Value {
    json!({"request_id": it.request_id, "status": it.status, "reason": it.reason,
        "took_ms": it.took_ms, "sent_bytes": it.sent_bytes, "received_bytes": it.received_bytes})
}

fn stream_outcome(it: &StreamOutcome) -> Value {
    json!({"stream_id": it.stream_id, "reason": it.reason, "took_ms": it.took_ms,
        "sent_bytes": it.sent_bytes, "received_bytes": it.received_bytes})
}

fn request_intent(it: RequestIntent) -> Value {
    json!({"actor": actor(it.actor), "request_id": it.request_id, "verb": it.verb, "group": it.group,
        "version": it.version, "resource": it.resource, "subresource": it.subresource,
        "namespace": it.namespace, "name": it.name, "path": it.path, "reason": it.reason,
        "kube_groups": it.kube_groups})
}

fn actor(actor: Option<Actor>) -> Value {
    actor.map_or(Value::Null, |it| {
        json!({"user_id": it.user_id, "user_name": it.user_name, "device_id": it.device_id,
            "session_id": it.session_id, "source_address": it.source_address})
    })
}
