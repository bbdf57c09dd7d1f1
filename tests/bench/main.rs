//! `tests/bench/run [NAME…] [--json FILE]`: figures of Adit, each against a baseline of the same run.
//!
//! | group | figures |
//! | --- | --- |
//! | `bulk` | `bulk.up`, `bulk.down`, `cpu.gateway_per_gb`, `cpu.all_per_gb` |
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
//! | `revoke` | `revoke.p99` |
//!
//! All parts are the release binaries, in network namespaces joined by a router; load generator and services are
//! threads of this program.

mod bench_crowd;
mod bench_kube;
mod bench_kubectl;
mod bench_link;
mod bench_pods;
mod bench_revoke;
mod bench_session;
mod bench_watch;
mod cpu;
mod ends;
mod figure;
mod http;
mod load;
mod memory;
mod raw;
mod relay;
mod scene;

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};

use figure::Figure;
use scene::Scene;

/// A group of figures that are measured together.
type Group = (&'static str, fn(&Scene) -> Result<Vec<Figure>>);

const GROUPS: [Group; 12] = [
    ("bulk", bench_link::bulk),
    ("streams", bench_link::streams),
    ("rtt", bench_link::rtt),
    ("crowd", bench_crowd::crowd),
    ("session", bench_session::session),
    ("kube", bench_kube::get_added),
    ("rps", bench_kube::get_rps),
    ("list", bench_kube::list),
    ("watch", bench_watch::lag),
    ("pods", bench_pods::pods),
    ("kubectl", bench_kubectl::kubectl),
    ("revoke", bench_revoke::revoke),
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
    let scene = Scene::set()?;
    let mut figures = Vec::new();
    for (name, group) in GROUPS {
        if !names.is_empty() && !names.contains(&name) {
            continue;
        }
        match group(&scene) {
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
