//! kubectl as engineers type it, its exec plugin included.

use std::time::Duration;

use adit_harness::cluster::Cluster;
use adit_harness::kubectl::Kubectl;
use adit_harness::process::Launch;
use anyhow::{Result, ensure};
use tokio::time::Instant;

use crate::figure::{Figure, median, ms};
use crate::scene::Scene;

const PLUGINS: usize = 31;
const ROUNDS: usize = 5;
const AT_ONCE: usize = 40;
const BOUND: Duration = Duration::from_mins(1);

/// `plugin.p50`, `kubectl.40_parallel`.
pub(crate) fn kubectl(scene: &Scene) -> Result<Vec<Figure>> {
    let through = scene.engineer.kubectl("prod")?;
    let direct = Cluster::shared()?.kubectl()?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push((forty(&through)?, forty(&direct)?));
    }
    let parallel = Figure::against("kubectl.40_parallel", "ms", &rounds);
    Ok(vec![plugin(scene)?, parallel])
}

/// The plugin's time without what it takes to start a program in a namespace at all, which is the baseline.
fn plugin(scene: &Scene) -> Result<Figure> {
    let plugin = scene.engineer.adit(&["credential", "prod"]);
    let nothing = plugin.clone().program("/bin/true".into());
    let mut rounds = Vec::with_capacity(PLUGINS);
    for _ in 0..PLUGINS {
        rounds.push((timed(&plugin)?, timed(&nothing)?));
    }
    let mut figure = Figure::against("plugin.p50", "ms", &rounds);
    figure.value = median(rounds.iter().map(|round| round.0 - round.1));
    Ok(figure)
}

fn timed(launch: &Launch) -> Result<f64> {
    let begun = Instant::now();
    let finished = launch.run()?;
    ensure!(finished.code == Some(0), "{finished:?}");
    Ok(ms(begun.elapsed()))
}

fn forty(kubectl: &Kubectl) -> Result<f64> {
    let begun = Instant::now();
    let started: Result<Vec<_>> = (0..AT_ONCE)
        .map(|_| kubectl.launch(&["get", "namespaces"]).spawn())
        .collect();
    for process in started? {
        let finished = process.finish(BOUND)?;
        ensure!(finished.code == Some(0), "{finished:?}");
    }
    Ok(ms(begun.elapsed()))
}
