//! `tests/bench/run [NAME…] [--json FILE]`: figures of Adit, each against a baseline of the same run.
//!
//! | group | figures |
//! | --- | --- |
//! | `policy` | `policy.decision` |
//! | `roster` | `roster.verify` |
//! | `bulk` | `bulk.up`, `bulk.down`, `cpu.gateway_per_gb`, `cpu.all_per_gb` |
//! | `peers` | `bulk.vs_ssh_hub` |
//! | `streams` | `bulk.8streams` |
//! | `rtt` | `rtt.p50`, `rtt.p99`, `stream.open` |
//! | `crowd` | `crowd.rtt_p99`, `crowd.gateway_mb`, `crowd.connector_mb`, `crowd.agent_mb` |
//! | `session` | `session.open`, `session.open_new_link` |
//! | `kube` | `kube.get_added.p50`, `kube.get_added.p99`, `kube.cpu_per_request` |
//! | `rps` | `kube.get_rps` |
//! | `list` | `kube.list_mb` |
//! | `watch` | `kube.watch_lag.p99` |
//! | `pods` | `kube.logs_mb`, `kube.exec_mb`, `kube.portforward_mb`, `kube.cp_mb`, `kube.cpu_per_exec` |
//! | `kubectl` | `plugin.p50`, `kubectl.40_parallel` |
//! | `memory` | `mem.gateway_control`, `mem.gateway_idle_session`, `mem.connector_link` |
//! | `revoke` | `revoke.p99` |
//!
//! All parts are the release binaries, in network namespaces joined by a router; load generator and services are
//! threads of this program. `policy` and `roster` call the connector's own code and need no deployment.

mod bench_crowd;
mod bench_kube;
mod bench_kubectl;
mod bench_link;
mod bench_memory;
mod bench_peers;
mod bench_pods;
mod bench_policy;
mod bench_revoke;
mod bench_roster;
mod bench_session;
mod bench_watch;
mod cpu;
mod ends;
mod figure;
mod fleet;
mod http;
mod load;
mod raw;
mod relay;
mod scene;

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};

use figure::Figure;
use scene::Scene;

/// A group of figures that are measured together.
type Group = (&'static str, Measured);

/// Where a group is measured.
enum Measured {
    /// On a whole deployment, which all such groups share.
    Deployed(fn(&Scene) -> Result<Vec<Figure>>),
    /// In this program alone.
    Alone(fn() -> Result<Vec<Figure>>),
}

use Measured::{Alone, Deployed};

const GROUPS: [Group; 16] = [
    ("policy", Alone(bench_policy::decision)),
    ("roster", Alone(bench_roster::verify)),
    ("bulk", Deployed(bench_link::bulk)),
    ("peers", Deployed(bench_peers::peers)),
    ("streams", Deployed(bench_link::streams)),
    ("rtt", Deployed(bench_link::rtt)),
    ("crowd", Deployed(bench_crowd::crowd)),
    ("session", Deployed(bench_session::session)),
    ("kube", Deployed(bench_kube::get_added)),
    ("rps", Deployed(bench_kube::get_rps)),
    ("list", Deployed(bench_kube::list)),
    ("watch", Deployed(bench_watch::lag)),
    ("pods", Deployed(bench_pods::pods)),
    ("kubectl", Deployed(bench_kubectl::kubectl)),
    ("memory", Deployed(bench_memory::memory)),
    ("revoke", Deployed(bench_revoke::revoke)),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["role", "accept", listen, service] => role(raw::accept(listen.parse()?, service.parse()?)),
        ["role", "forward", listen, remote, key] => {
            role(raw::forward(listen.parse()?, remote.parse()?, key))
        }
        ["role", "relay", listen, to] => relay::relay(listen.parse()?, to.parse()?),
        _ => measure(&words),
    }
}

fn role(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(work)
}

fn measure(words: &[&str]) -> Result<()> {
    let (names, json) = match words.iter().position(|word| *word == "--json") {
        Some(at) => {
            let file = words.get(at + 1).context("--json needs a file")?;
            (
                words
                    .iter()
                    .take(at)
                    .chain(words.iter().skip(at + 2))
                    .copied()
                    .collect(),
                Some(*file),
            )
        }
        None => (words.to_vec(), None),
    };
    if let Some(unknown) = names
        .iter()
        .find(|name| !GROUPS.iter().any(|group| group.0 == **name))
    {
        let known: Vec<_> = GROUPS.iter().map(|group| group.0).collect();
        bail!("no group {unknown}; there are {}", known.join(", "));
    }
    let wanted = |name: &str| names.is_empty() || names.contains(&name);
    let (mut scene, mut figures) = (None, Vec::new());
    for (name, group) in GROUPS.iter().filter(|group| wanted(group.0)) {
        let measured = match group {
            Alone(measure) => measure(),
            Deployed(measure) => measure(match &scene {
                Some(scene) => scene,
                None => scene.insert(Scene::set()?),
            }),
        };
        match measured {
            Ok(measured) => figures.extend(measured),
            Err(error) => eprintln!("{name}: not measured: {error:#}"),
        }
    }
    figure::print(&figures);
    if let Some(file) = json {
        std::fs::write(file, serde_json::to_vec_pretty(&figures)?)
            .with_context(|| format!("write {file}"))?;
    }
    Ok(())
}

/// An address that is known to be right.
fn at(ip: impl std::fmt::Display, port: u16) -> Result<SocketAddr> {
    Ok(format!("{ip}:{port}").parse()?)
}
