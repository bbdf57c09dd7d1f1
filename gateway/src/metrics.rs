//! Metrics in the text format of Prometheus, on a listener of their own.
//!
//! Everything is read when it is asked for; nothing here is on the path of a datagram. There are no labels.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
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

    fn text(&self) -> String {
        let counts = self.relay.counts();
        let mut text = String::new();
        for (name, help, value) in counters(&counts) {
            put(&mut text, name, "counter", (help, &value));
        }
        let parties = self.registry.all().len();
        let sessions = self.broker.live().len();
        let gauges = [
            ("adit_parties", "Registered control connections.", parties),
            ("adit_sessions", "Live sessions.", sessions),
        ];
        for (name, help, value) in gauges {
            put(&mut text, name, "gauge", (help, &value));
        }
        let age = self.readings.newest().age().as_secs_f64();
        let help = "Age of the last reading of the store; at one lease everything ends.";
        put(
            &mut text,
            "adit_store_reading_age_seconds",
            "gauge",
            (help, &age),
        );
        text
    }
}

async fn answer(State(metrics): State<Metrics>) -> impl IntoResponse {
    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, TEXT)], metrics.text())
}

fn put(text: &mut String, name: &str, kind: &str, (help, value): (&str, &dyn std::fmt::Display)) {
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
    );
}

/// The relay's counters: each datagram that it received is in exactly one of forwarded and dropped, or is control class.
fn counters(counts: &RelayCounts) -> [(&'static str, &'static str, u64); 8] {
    [
        (
            "adit_relay_forwarded_total",
            "Datagrams forwarded.",
            counts.forwarded,
        ),
        (
            "adit_relay_forwarded_bytes_total",
            "Their bytes.",
            counts.forwarded_bytes,
        ),
        (
            "adit_relay_unknown_source_total",
            "Dropped: no such party.",
            counts.unknown_source,
        ),
        (
            "adit_relay_not_announced_total",
            "Dropped: no session joins them.",
            counts.not_announced,
        ),
        (
            "adit_relay_unroutable_total",
            "Dropped: no connection ID of 16 bytes.",
            counts.unroutable,
        ),
        (
            "adit_relay_limited_total",
            "Dropped: over a stranger's limit.",
            counts.limited,
        ),
        (
            "adit_relay_send_errors_total",
            "Dropped: the system refused them.",
            counts.send_errors,
        ),
        ("adit_relay_moved_total", "Routes that moved.", counts.moved),
    ]
}

#[cfg(test)]
mod tests {
    use adit_proto::testing::Log;
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
        let _here = Connector::register(&rig, &cluster).await;
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
        let request = http::Request::get("/metrics").header("host", "metrics");
        let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
        let response = patiently(sender.send_request(request)).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains("\nadit_parties 1\n"), "{text}");
        assert!(
            text.contains("\nadit_relay_forwarded_total 0\n") && text.contains("adit_sessions 0")
        );
    }
}
