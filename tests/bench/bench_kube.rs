//! Requests through Adit, against the same ones sent to the API server directly.

use std::thread;
use std::time::Duration;

use adit_harness::cluster::Cluster;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cpu;
use crate::ends::Ends;
use crate::figure::{Figure, median, percentile};
use crate::http::{End, Kept};
use crate::scene::Scene;

const ROUNDS: usize = 7;
const GETS: usize = 400;
const CONNECTIONS: usize = 64;
const RPS_ROUNDS: usize = 5;
const RPS_SPAN: Duration = Duration::from_secs(2);
/// Small: one namespace.
const SMALL: &str = "/api/v1/namespaces/default";
/// Large: 20 MB of ConfigMaps, a page of text each.
const LARGE: &str = "/api/v1/namespaces/bench-list/configmaps";
const OBJECTS: usize = 400;
const TEXT: usize = 50_000;
/// How often the large list is read in a round.
const LISTS: usize = 3;

/// `kube.get_added.p50`, `kube.get_added.p99`, `kube.cpu_per_request`.
pub(crate) fn get_added(scene: &Scene) -> Result<Vec<Figure>> {
    let (mut through, mut direct) = Ends::find(scene)?.connect(scene)?;
    let connector = scene.stack.connector.id()?;
    let (mut p50, mut p99, mut cost) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = cpu::seconds(connector)?;
        let adit = gets(&mut through)?;
        cost.push(cpu::ms_each(connector, before, GETS)?);
        let plain = gets(&mut direct)?;
        for (rounds, percent) in [(&mut p50, 50), (&mut p99, 99)] {
            let one = |all: &[f64]| percentile(all.iter().copied(), percent);
            rounds.push((one(&adit), one(&plain)));
        }
    }
    Ok(vec![
        added("kube.get_added.p50", &p50),
        added("kube.get_added.p99", &p99),
        Figure::plain("kube.cpu_per_request", "ms", median(cost), ROUNDS),
    ])
}

fn gets(connection: &mut Kept) -> Result<Vec<f64>> {
    (0..GETS).map(|_| connection.get(SMALL)).collect()
}

/// `kube.get_rps`.
pub(crate) fn get_rps(scene: &Scene) -> Result<Vec<Figure>> {
    let ends = Ends::find(scene)?;
    let mut rounds = Vec::new();
    for _ in 0..RPS_ROUNDS {
        rounds.push((rate(scene, &ends.through)?, rate(scene, &ends.direct)?));
    }
    Ok(vec![Figure::against("kube.get_rps", "1/s", &rounds)])
}

/// GETs a second on all connections together.
fn rate(scene: &Scene, end: &End) -> Result<f64> {
    let connections = (0..CONNECTIONS).map(|_| scene.on_client(|| Kept::connect(end)));
    let connections: Vec<Kept> = connections.collect::<Result<_>>()?;
    let begun = Instant::now();
    let workers: Vec<_> = connections
        .into_iter()
        .map(|mut connection| {
            thread::spawn(move || -> Result<u32> {
                let mut done = 0;
                while begun.elapsed() < RPS_SPAN {
                    connection.get(SMALL)?;
                    done += 1;
                }
                Ok(done)
            })
        })
        .collect();
    let mut done = 0;
    for worker in workers {
        done += worker.join().ok().context("a worker")??;
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

/// `kube.list_mb`.
pub(crate) fn list(scene: &Scene) -> Result<Vec<Figure>> {
    let kubectl = Cluster::shared()?.kubectl()?;
    kubectl.ok(&["create", "namespace", "bench-list"])?;
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": objects()});
    let create = kubectl.launch(&["create", "--namespace=bench-list", "-f", "-"]);
    create.input(objects.to_string()).run()?.ok()?;

    let (mut through, mut direct) = Ends::find(scene)?.connect(scene)?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push((
            megabytes(&mut through, LARGE, LISTS)?,
            megabytes(&mut direct, LARGE, LISTS)?,
        ));
    }
    kubectl.ok(&["delete", "namespace", "bench-list", "--wait=false"])?;
    Ok(vec![Figure::against("kube.list_mb", "MB/s", &rounds)])
}

fn objects() -> Vec<Value> {
    let text = "the quick brown fox jumps over the lazy dog ".repeat(TEXT / 44);
    let object = |number: usize| {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": format!("page-{number}")},
            "data": {"text": text},
        })
    };
    (0..OBJECTS).map(object).collect()
}

/// MB/s of the bodies of so many GETs, one after the other.
pub(crate) fn megabytes(connection: &mut Kept, path: &str, count: usize) -> Result<f64> {
    let begun = Instant::now();
    let mut total = 0;
    for _ in 0..count {
        total += connection.fetch(path)?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
    let bytes = total as f64;
    Ok(bytes / 1e6 / begun.elapsed().as_secs_f64())
}

/// The difference, beside what was measured directly.
fn added(name: &'static str, rounds: &[(f64, f64)]) -> Figure {
    let mut figure = Figure::against(name, "ms", rounds);
    figure.value = median(rounds.iter().map(|round| round.0 - round.1));
    figure
}
