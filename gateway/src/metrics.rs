//! Metrics in the text format of OpenMetrics, on a listener of their own: this gateway's, and what connectors tell.
//!
//! Everything is read when it is asked for; nothing here is on the path of a datagram.

mod connectors;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::reading::Readings;
use crate::registry::Registry;
use crate::relay::{Relay, RelayCounts};

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) relay: Arc<Relay>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) readings: Readings,
}

impl Metrics {
    /// Serves `GET /metrics` until `shutdown`. An address that is taken leaves the gateway without metrics, and says so.
    pub(crate) async fn serve(self, address: SocketAddr, shutdown: CancellationToken) {
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, %address, "metrics are not served");
                return;
            }
        };
        let served = axum::serve(listener, self.router())
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await;
        if let Err(error) = served {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "metrics are no longer served");
        }
    }

    fn router(self) -> Router {
        Router::new()
            .route("/metrics", get(answer))
            .with_state(self)
    }

    fn text(&self) -> Result<String, fmt::Error> {
        let mut shown = prometheus_client::registry::Registry::default();
        shown.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &shown)?;
        Ok(text)
    }
}

async fn answer(State(metrics): State<Metrics>) -> Result<impl IntoResponse, StatusCode> {
    const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = metrics.text();
    let text = text.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(CONTENT_TYPE, TEXT)], text))
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, count) in counters(&self.relay.counts()) {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(count).encode(metric)?;
        }
        let parties = self.registry.all().len();
        let help = "Registered control connections.";
        gauge(&mut encoder, ("adit_parties", help), parties)?;
        let sessions = self.broker.live().len();
        gauge(&mut encoder, ("adit_sessions", "Live sessions."), sessions)?;
        let age = self.readings.newest().age().as_secs_f64();
        let help = "Age of the last reading of the store; at one lease everything ends.";
        gauge(&mut encoder, ("adit_store_reading_age_seconds", help), age)?;
        connectors::encode(&self.registry, &mut encoder)
    }
}

fn gauge<N: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    value: N,
) -> fmt::Result {
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(metric)
}

/// The relay's counters: each datagram that it received is in exactly one of forwarded and dropped, or is control class.
fn counters(counts: &RelayCounts) -> [(&'static str, &'static str, u64); 8] {
    [
        (
            "adit_relay_forwarded",
            "Datagrams forwarded.",
            counts.forwarded,
        ),
        (
            "adit_relay_forwarded_bytes",
            "Their bytes.",
            counts.forwarded_bytes,
        ),
        (
            "adit_relay_unknown_source",
            "Dropped: no such party.",
            counts.unknown_source,
        ),
        (
            "adit_relay_not_announced",
            "Dropped: no session joins them.",
            counts.not_announced,
        ),
        (
            "adit_relay_unroutable",
            "Dropped: no connection ID of 16 bytes.",
            counts.unroutable,
        ),
        (
            "adit_relay_limited",
            "Dropped: over a stranger's limit.",
            counts.limited,
        ),
        (
            "adit_relay_send_errors",
            "Dropped: the system refused them.",
            counts.send_errors,
        ),
        ("adit_relay_moved", "Routes that moved.", counts.moved),
    ]
}

#[cfg(test)]
mod tests {
    use adit_proto::testing::Log;
    use adit_proto::wire::control as wire;
    use adit_proto::wire::control::frame::Message;
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::TokioIo;
    use tokio::task::JoinSet;

    use super::*;
    use crate::reading::Reader;
    use crate::testing::{Connector, Rig, patiently};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_counters_are_served_as_text() {
        let mut log = Log::new();
        let cluster = log.add_cluster("prod");
        let rig = Rig::start(log).await;
        let mut here = Connector::register(&rig, &cluster).await;
        let told = wire::Metrics {
            requests_forwarded: 7,
            links: 3,
            ..wire::Metrics::default()
        };
        here.party.send(Message::Metrics(told)).await;
        let (_reader, readings) = Reader::new(&rig.services);
        let metrics = Metrics {
            relay: Arc::clone(&rig.relay),
            registry: Arc::clone(&rig.services.registry),
            broker: Arc::clone(&rig.services.broker),
            readings,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, metrics.router()).await });
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tasks.spawn(async move { connection.await.map_err(std::io::Error::other) });
        let mut read = async || {
            let request = http::Request::get("/metrics").header("host", "metrics");
            let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
            sender.ready().await.unwrap();
            let response = sender.send_request(request).await.unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            String::from_utf8(body.to_vec()).unwrap()
        };
        let text = patiently(async {
            loop {
                let text = read().await;
                if text.contains("adit_connector_links{") {
                    break text;
                }
            }
        })
        .await;
        let [a, b, c, d, ..] = here.party.instance;
        let instance = format!("{:08x}", u32::from_be_bytes([a, b, c, d]));
        for line in [
            "adit_parties 1".to_owned(),
            "adit_relay_forwarded_total 0".to_owned(),
            "adit_sessions 0".to_owned(),
            format!("adit_connector_links{{cluster=\"prod\",instance=\"{instance}\"}} 3"),
            format!(
                "adit_connector_requests_forwarded_total{{cluster=\"prod\",instance=\"{instance}\"}} 7"
            ),
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
        }
    }
}
