//! What connectors tell of themselves, with a label for each cluster and process. It is their word: a connector can make
//! its own figures wrong, and nobody else's.

use std::fmt;
use std::sync::Arc;

use adit_proto::wire::control::Metrics;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::caller::Identity;
use crate::registry::{Live, Registry};

/// Name, help, and where it stands in the message.
type Figure = (&'static str, &'static str, fn(&Metrics) -> u64);

const COUNTERS: [Figure; 5] = [
    (
        "adit_connector_requests_forwarded",
        "Requests whose intent was recorded before they went to the API server. Each request is in this or the next.",
        |it| it.requests_forwarded,
    ),
    (
        "adit_connector_requests_refused",
        "Requests that were refused.",
        |it| it.requests_refused,
    ),
    (
        "adit_connector_streams_forwarded",
        "Streams to services whose intent was recorded. Each stream that a session allows is in this or the next.",
        |it| it.streams_forwarded,
    ),
    (
        "adit_connector_streams_refused",
        "Streams to services that could not be recorded.",
        |it| it.streams_refused,
    ),
    (
        "adit_connector_refusals",
        "Refusals of anything else: offers, links, the headers of streams.",
        |it| it.refusals,
    ),
];

const GAUGES: [Figure; 7] = [
    ("adit_connector_sessions", "Live sessions.", |it| {
        it.sessions
    }),
    (
        "adit_connector_open_streams",
        "Streams that sessions have open.",
        |it| it.open_streams,
    ),
    ("adit_connector_links", "Links of devices.", |it| it.links),
    (
        "adit_connector_upstream_connections",
        "Connections to the API server that carry a request.",
        |it| it.upstream_connections,
    ),
    (
        "adit_connector_audit_waiting",
        "Audit records that no gateway has stored.",
        |it| it.audit_waiting,
    ),
    (
        "adit_connector_audit_bytes",
        "Bytes of the audit spool on the connector's disk.",
        |it| it.audit_bytes,
    ),
    (
        "adit_connector_audit_max_bytes",
        "Bytes that the spool may take; above 8 tenths of it no session begins, and at the end no request.",
        |it| it.audit_max_bytes,
    ),
];

/// Encodes what the connectors that are here told last.
pub(super) fn encode(registry: &Registry, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let told: Vec<_> = registry.all().iter().filter_map(labelled).collect();
    for (name, help, of) in COUNTERS {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, metrics) in &told {
            ConstCounter::new(of(metrics)).encode(metric.encode_family(labels)?)?;
        }
    }
    for (name, help, of) in GAUGES {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, metrics) in &told {
            ConstGauge::new(of(metrics)).encode(metric.encode_family(labels)?)?;
        }
    }
    Ok(())
}

type Labels = [(&'static str, String); 2];

fn labelled(live: &Arc<Live>) -> Option<(Labels, Metrics)> {
    let Identity::Cluster { name, .. } = live.party().identity() else {
        return None;
    };
    let [a, b, c, d, ..] = *live.instance();
    let instance = format!("{:08x}", u32::from_be_bytes([a, b, c, d]));
    let labels = [("cluster", name.to_string()), ("instance", instance)];
    Some((labels, live.told()?))
}
