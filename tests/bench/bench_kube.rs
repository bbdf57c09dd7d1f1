//! What a small GET through Adit takes more than the same GET sent to the API server directly.

use std::fs;

use adit_harness::cluster::{API_PORT, Cluster};
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::at;
use crate::figure::{Figure, median, percentile};
use crate::http::Kept;
use crate::scene::Scene;

const ROUNDS: usize = 7;
const GETS: usize = 400;
const PATH: &str = "/api/v1/namespaces/default";
/// An account of the API server that may read what the engineer reads.
const READER: &str = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: bench, namespace: default}}\n---\n\
    {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: bench}, \
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, \
    subjects: [{kind: ServiceAccount, name: bench, namespace: default}]}";

/// `kube.get_added.p50`, `kube.get_added.p99`.
pub(crate) fn get_added(scene: &Scene) -> Result<Vec<Figure>> {
    let cluster = Cluster::shared()?;
    cluster.attach(scene.stack.network.client().netns())?;
    let kubectl = cluster.kubectl()?;
    kubectl.apply(READER)?;
    let token = kubectl.ok(&["create", "token", "bench", "--namespace=default"])?;
    let authority = fs::read(cluster.authority())?;
    let direct_at = at("127.0.0.1", API_PORT)?;
    let mut direct =
        scene.on_client(|| Kept::connect(direct_at, &authority, PATH, token.trim()))?;
    let mut through = through_adit(scene)?;
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

/// The difference, beside what was measured directly.
fn added(name: &'static str, rounds: &[(f64, f64)]) -> Figure {
    let mut figure = Figure::against(name, "ms", rounds);
    figure.value = median(rounds.iter().map(|round| round.0 - round.1));
    figure
}

/// A connection to the agent's listener, with the token that the exec plugin gives.
fn through_adit(scene: &Scene) -> Result<Kept> {
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
    let path = format!("/{prefix}{PATH}");
    let address = address.parse()?;
    scene.on_client(|| Kept::connect(address, &authority, &path, &token))
}
