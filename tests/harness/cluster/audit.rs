//! The API server's own audit log.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

/// A request as the API server saw it, at level Metadata.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// The request's `Audit-ID`.
    #[serde(rename = "auditID")]
    pub audit_id: String,
    /// `ResponseStarted` (watches), `ResponseComplete` or `Panic`.
    pub stage: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// Kubernetes verb; empty for a method that the API server does not know.
    pub verb: String,
    /// Who sent it: the account of the connector.
    pub user: AuditUser,
    /// For whom it was decided, if that was somebody else.
    pub impersonated_user: Option<AuditUser>,
    /// Addresses of the sender.
    #[serde(rename = "sourceIPs", default)]
    pub source_ips: Vec<String>,
    /// What the sender called itself.
    #[serde(default)]
    pub user_agent: String,
    /// What it was about; nothing for a path such as `/version`.
    pub object_ref: Option<AuditObject>,
    /// How it was answered.
    pub response_status: Option<AuditStatus>,
    /// Notes, the authorizer's decision among them.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

impl AuditEvent {
    /// The HTTP status of the answer.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.response_status.as_ref().and_then(|status| status.code)
    }
}

/// A user of Kubernetes.
#[derive(Debug, Clone, Deserialize)]
pub struct AuditUser {
    /// Name.
    #[serde(default)]
    pub username: String,
    /// Groups, those that the API server adds among them.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Extra attributes.
    #[serde(default)]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What a request was about.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditObject {
    /// Resource, plural.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace, or empty.
    pub namespace: String,
    /// Name, or empty.
    pub name: String,
    /// API group; empty for core.
    pub api_group: String,
}

/// The answer.
#[derive(Debug, Clone, Deserialize)]
pub struct AuditStatus {
    /// HTTP status.
    pub code: Option<u16>,
}

/// Reads events, one a line. A last line without its end is still being written and is left out.
pub(super) fn parse(text: &str) -> Result<Vec<AuditEvent>> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| {
            serde_json::from_str(line).with_context(|| format!("unknown audit event: {line}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_written_event_is_left_out() {
        let event =
            r#"{"auditID":"a","stage":"ResponseComplete","requestURI":"/","verb":"get","user":{}}"#;
        let events = parse(&format!("{event}\n{{\"auditID\":\"b")).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].audit_id, "a");
    }
}
