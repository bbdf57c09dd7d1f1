//! What the connector tells of itself: it listens on nothing, so a gateway serves its metrics.

use std::time::Duration;

use adit_proto::wire::control::Metrics;
use adit_proto::wire::control::frame::Message;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::Control;
use super::connection::Over;

/// How often.
const EVERY: Duration = Duration::from_secs(10);

/// Tells at once, and again and again.
pub(super) async fn tell(control: &Control, queue: &mpsc::Sender<Message>) -> Over {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if queue
            .send(Message::Metrics(control.metrics()))
            .await
            .is_err()
        {
            return Over::Lost;
        }
    }
}

impl Control {
    fn metrics(&self) -> Metrics {
        let (counted, filling) = (self.audit.counted(), self.audit.filling());
        let (sessions, open_streams) = self.sessions.counted();
        let kube = self.links.kube.as_ref();
        let upstream = kube.map_or(0, |kube| kube.upstream().connections());
        Metrics {
            requests_forwarded: counted.requests_forwarded,
            requests_refused: counted.requests_refused,
            streams_forwarded: counted.streams_forwarded,
            streams_refused: counted.streams_refused,
            refusals: counted.refusals,
            sessions: sessions as u64,
            open_streams: open_streams as u64,
            links: self.links.held.count() as u64,
            upstream_connections: upstream as u64,
            audit_waiting: filling.waiting,
            audit_bytes: filling.bytes,
            audit_max_bytes: filling.max_bytes,
        }
    }
}
