//! How long streams go on after somebody ends their session.

use std::io::Read;
use std::thread;
use tokio::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::figure::{Figure, ms, percentile};
use crate::load;
use crate::scene::Scene;

/// Streams that are open, all of them busy.
const STREAMS: usize = 100;

/// `revoke.p99`: from before the command begins, so that its own start is counted too, to the last byte of each stream.
pub(crate) fn revoke(scene: &Scene) -> Result<Vec<Figure>> {
    let streams = scene.on_client(|| {
        (0..STREAMS)
            .map(|_| load::open(scene.through_adit, b'D'))
            .collect::<Result<Vec<_>>>()
    })?;
    let readers: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            thread::spawn(move || {
                let mut buffer = vec![0; 64 << 10];
                let mut last = Instant::now();
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    last = Instant::now();
                }
                last
            })
        })
        .collect();
    let sessions = scene.stack.admin.json(&["admin", "sessions", "list"])?;
    let id = session_of(&sessions).context("the session of the streams")?;
    let begun = Instant::now();
    scene.stack.admin.ok(&["admin", "sessions", "end", &id])?;
    let spans = readers
        .into_iter()
        .filter_map(|reader| reader.join().ok())
        .map(|last| ms(last.saturating_duration_since(begun)));
    let spans: Vec<_> = spans.collect();
    Ok(vec![Figure::plain(
        "revoke.p99",
        "ms",
        percentile(spans, 99),
        STREAMS,
    )])
}

fn session_of(list: &Value) -> Option<String> {
    list.get("sessions")?
        .as_array()?
        .iter()
        .find(|session| {
            session.get("target").and_then(Value::as_str) == Some("service/prod/load")
                && session.get("ended").is_none_or(Value::is_null)
        })?
        .get("id")?
        .as_str()
        .map(ToOwned::to_owned)
}
