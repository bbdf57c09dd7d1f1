//! How each verb of helm is tried, with one release from its installation to its end.

use adit_harness::cluster::AGNHOST;
use anyhow::{Result, ensure};

use super::Scene;
use super::table::{Client, Verb};

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/streams/chart");

/// Each verb, in this order.
pub(super) const ALL: [Verb; 5] = [
    ("install --wait", install),
    ("list", list),
    ("upgrade --wait", upgrade),
    ("status", status),
    ("uninstall --wait", uninstall),
];

fn install(scene: &Scene, helm: &Client, release: &str) -> Result<()> {
    deploy(scene, helm, "install", release, "first")
}

/// What a pod runs changes with the word, so that there is something to wait for.
fn upgrade(scene: &Scene, helm: &Client, release: &str) -> Result<()> {
    deploy(scene, helm, "upgrade", release, "second")
}

fn deploy(scene: &Scene, helm: &Client, verb: &str, release: &str, word: &str) -> Result<()> {
    let values = format!("image={AGNHOST},word={word}");
    let words = [verb, release, CHART, "--wait", "--set", &values];
    let said = helm.program.ok(&words)?;
    ensure!(said.contains("STATUS: deployed"), "{said}");
    let admin = scene.cluster.kubectl()?;
    let map = admin.json(&["get", "configmap", release])?;
    ensure!(map["data"]["word"] == word, "{map}");
    let deployment = admin.json(&["get", "deployment", release])?;
    let (status, annotations) = (
        &deployment["status"],
        &deployment["spec"]["template"]["metadata"]["annotations"],
    );
    ensure!(annotations["word"] == word, "{deployment}");
    for count in ["replicas", "updatedReplicas", "availableReplicas"] {
        ensure!(status[count] == 1, "{count}: {deployment}");
    }
    Ok(())
}

fn list(_: &Scene, helm: &Client, release: &str) -> Result<()> {
    let listed = helm.program.ok(&["list", "--short"])?;
    ensure!(listed.trim() == release, "{listed}");
    Ok(())
}

fn status(_: &Scene, helm: &Client, release: &str) -> Result<()> {
    let said = helm.program.ok(&["status", release])?;
    for line in ["STATUS: deployed", "REVISION: 2"] {
        ensure!(said.contains(line), "{said}");
    }
    Ok(())
}

fn uninstall(scene: &Scene, helm: &Client, release: &str) -> Result<()> {
    helm.program.ok(&["uninstall", release, "--wait"])?;
    let admin = scene.cluster.kubectl()?;
    let left = admin.ok(&[
        "get",
        "configmap,deployment,secret",
        "--output=name",
        "--ignore-not-found",
        release,
    ])?;
    ensure!(left.is_empty(), "{left}");
    let listed = helm.program.ok(&["list", "--short"])?;
    ensure!(listed.trim().is_empty(), "{listed}");
    Ok(())
}
