//! How much later an event comes through Adit than directly.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use adit_harness::cluster::Cluster;
use anyhow::{Context, Result};
use serde_json::Value;
use tokio::time::Instant;

use crate::ends::Ends;
use crate::figure::{Figure, median, ms, percentile};
use crate::http::{End, Kept};
use crate::scene::Scene;

const ROUNDS: usize = 5;
const EVENTS: usize = 200;
const OBJECT: &str = "/api/v1/namespaces/default/configmaps/bench-watch";
const WATCH: &str =
    "/api/v1/namespaces/default/configmaps?watch=1&fieldSelector=metadata.name%3Dbench-watch";
/// Longest wait for one event.
const PATIENCE: Duration = Duration::from_secs(30);

/// `kube.watch_lag.p99`: two clients watch one object, of which one is told through Adit. The next change is made when
/// both have heard of the last one. The baseline is from before the change was sent to when it was heard of directly.
pub(crate) fn lag(scene: &Scene) -> Result<Vec<Figure>> {
    let kubectl = Cluster::shared()?.kubectl()?;
    kubectl.ok(&["create", "configmap", "bench-watch"])?;
    let ends = Ends::find(scene)?;
    let mut writer = scene.on_client(|| Kept::connect(&ends.direct))?;
    let watches = [&ends.through, &ends.direct].map(|end| follow(scene, end));
    let [through, direct] = watches;
    let (through, direct) = (through?, direct?);
    let (mut later, mut heard) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (mut of_round, mut directly) = (Vec::new(), Vec::new());
        for number in 0..EVENTS {
            let number = (1 + round * EVENTS + number).to_string();
            let begun = Instant::now();
            writer.merge(OBJECT, &format!(r#"{{"data":{{"n":"{number}"}}}}"#))?;
            let arrivals = (arrival(&through, &number)?, arrival(&direct, &number)?);
            let since = |at: Instant| ms(at.duration_since(begun));
            directly.push(since(arrivals.1));
            of_round.push(since(arrivals.0) - since(arrivals.1));
        }
        later.push(percentile(of_round, 99));
        heard.push(percentile(directly, 99));
    }
    let mut figure = Figure::plain("kube.watch_lag.p99", "ms", median(later), ROUNDS);
    figure.baseline = Some(median(heard));
    Ok(vec![figure])
}

type Event = (String, Instant);

/// Watches on a thread of its own until nobody listens any more.
fn follow(scene: &Scene, end: &End) -> Result<Receiver<Event>> {
    let mut connection = scene.on_client(|| Kept::connect(end))?;
    // Room for a client that is ahead of the other by an event, and for the object as it was at first.
    let (tell, events) = sync_channel(4);
    thread::spawn(move || connection.watch(WATCH, |line| heard(line, &tell)));
    Ok(events)
}

fn heard(line: &[u8], tell: &SyncSender<Event>) -> bool {
    let at = Instant::now();
    let event: Value = serde_json::from_slice(line).unwrap_or_default();
    let number = event.pointer("/object/data/n").and_then(Value::as_str);
    let number = number.unwrap_or_default().to_owned();
    tell.send((number, at)).is_ok()
}

fn arrival(events: &Receiver<Event>, number: &str) -> Result<Instant> {
    loop {
        let (heard, at) = events.recv_timeout(PATIENCE).context("an event")?;
        if heard == number {
            return Ok(at);
        }
    }
}
