//! Small GETs through Adit, against the same ones sent to the API server directly.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use adit_harness::cluster::{API_PORT, Cluster};
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::time::Instant;

use crate::at;
use crate::figure::{Figure, median, percentile};
use crate::http::Kept;
use crate::scene::Scene;

const ROUNDS: usize = 7;
const GETS: usize = 400;
const CONNECTIONS: usize = 64;
const RPS_ROUNDS: usize = 5;
const RPS_SPAN: Duration = Duration::from_secs(2);
const PATH: &str = "/api/v1/namespaces/default";
/// An account of the API server that may read what the engineer reads.
const READER: &str = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: bench, namespace: default}}\n---\n\
    {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: bench}, \
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, \
    subjects: [{kind: ServiceAccount, name: bench, namespace: default}]}";

/// `kube.get_added.p50`, `kube.get_added.p99`.
pub(crate) fn get_added(scene: &Scene) -> Result<Vec<Figure>> {
    let ends = Ends::find(scene)?;
    let (mut through, mut direct) = (ends.through.connect(scene)?, ends.direct.connect(scene)?);
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let adit = (0..GETS)
            .map(|_| through.get())
            .collect::<Result<Vec<_>>>()?;
        let plain = (0..GETS)
            .map(|_| direct.get())
            .collect::<Result<Vec<_>>>()?;
        for (rounds, percent) in [(&mut p50, 50), (&mut p99, 99)] {
            let one = |all: &[f64]| percentile(all.iter().copied(), percent);
            rounds.push((one(&adit), one(&plain)));
        }
    }
    Ok(vec![
        added("kube.get_added.p50", &p50),
        added("kube.get_added.p99", &p99),
    ])
}

/// `kube.get_rps`.
pub(crate) fn get_rps(scene: &Scene) -> Result<Vec<Figure>> {
    let ends = Ends::find(scene)?;
    let mut rounds = Vec::new();
    for _ in 0..RPS_ROUNDS {
        rounds.push((ends.through.rate(scene)?, ends.direct.rate(scene)?));
    }
    Ok(vec![Figure::against("kube.get_rps", "1/s", &rounds)])
}

/// The API server, through Adit and directly.
struct Ends {
    through: End,
    direct: End,
}

/// Where a GET is sent.
struct End {
    address: SocketAddr,
    authority: Vec<u8>,
    path: String,
    token: String,
}

impl End {
    fn connect(&self, scene: &Scene) -> Result<Kept> {
        let Self {
            address,
            authority,
            path,
            token,
        } = self;
        scene.on_client(|| Kept::connect(*address, authority, path, token))
    }

    /// GETs a second on all connections together.
    fn rate(&self, scene: &Scene) -> Result<f64> {
        let connections = (0..CONNECTIONS).map(|_| self.connect(scene));
        let connections: Vec<Kept> = connections.collect::<Result<_>>()?;
        let begun = Instant::now();
        let workers: Vec<_> = connections
            .into_iter()
            .map(|mut connection| {
                thread::spawn(move || -> Result<u32> {
                    let mut done = 0;
                    while begun.elapsed() < RPS_SPAN {
                        connection.get()?;
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
}

impl Ends {
    fn find(scene: &Scene) -> Result<Self> {
        let cluster = Cluster::shared()?;
        let kubectl = cluster.kubectl()?;
        kubectl.apply(READER)?;
        let token = kubectl.ok(&["create", "token", "bench", "--namespace=default"])?;
        let direct = End {
            address: at("127.0.0.1", API_PORT)?,
            authority: fs::read(cluster.authority())?,
            path: PATH.to_owned(),
            token: token.trim().to_owned(),
        };
        Ok(Self {
            through: through_adit(scene)?,
            direct,
        })
    }
}

/// The difference, beside what was measured directly.
fn added(name: &'static str, rounds: &[(f64, f64)]) -> Figure {
    let mut figure = Figure::against(name, "ms", rounds);
    figure.value = median(rounds.iter().map(|round| round.0 - round.1));
    figure
}

/// The agent's listener, with the token that the exec plugin gives.
fn through_adit(scene: &Scene) -> Result<End> {
    scene.engineer.kubectl("prod")?.ok(&["get", "namespaces"])?;
    let text = |value: &Value, pointer: &str| {
        let found = value.pointer(pointer).and_then(Value::as_str);
        found
            .map(ToOwned::to_owned)
            .with_context(|| format!("{pointer} in {value}"))
    };
    let config = scene
        .engineer
        .kubectl("prod")?
        .json(&["config", "view", "--raw", "--minify"])?;
    let server = text(&config, "/clusters/0/cluster/server")?;
    let authority = STANDARD.decode(text(
        &config,
        "/clusters/0/cluster/certificate-authority-data",
    )?)?;
    let credential = scene.engineer.ok(&["credential", "prod"])?;
    let token = text(&serde_json::from_str(&credential)?, "/status/token")?;
    let (address, prefix) = server
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once('/'))
        .context("the listener's address")?;
    Ok(End {
        address: address.parse()?,
        authority,
        path: format!("/{prefix}{PATH}"),
        token,
    })
}
