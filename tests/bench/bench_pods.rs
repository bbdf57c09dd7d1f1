//! Streams to a real pod, through Adit and directly.

use std::io::{Read, Write};
use std::net::TcpStream;

use adit_harness::cluster::{BUSYBOX, Cluster, binary};
use adit_harness::kubectl::Kubectl;
use adit_harness::scratch::scratch;
use adit_harness::stack::BOUND;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::time::Instant;

use crate::bench_kube::megabytes;
use crate::cpu;
use crate::ends::{Ends, kubectls};
use crate::figure::{Figure, median};
use crate::load::rate;
use crate::scene::Scene;

const ROUNDS: usize = 5;
/// Bytes that exec and port-forward carry, and those of the file that is copied: so many that kubectl's own start,
/// which counts, is a small part.
const BYTES: u64 = 128 << 20;
/// How often the log is read in a round. It is below the 10 MiB after which the kubelet begins another file.
const LOGS: usize = 5;
const EXECS: usize = 10;
const LOG: &str = "/api/v1/namespaces/default/pods/bench/log";
/// Writes 8 MB of log in lines of 1000 bytes, makes the file, and serves it.
const PROGRAM: &str = "yes $(head -c 999 /dev/zero | tr '\\0' x) | head -c 8000000; \
    head -c 134217728 /dev/zero > /tmp/file; exec httpd -f -p 8081 -h /tmp";

/// `kube.logs_mb`, `kube.exec_mb`, `kube.portforward_mb`, `kube.cp_mb`, `kube.cpu_per_exec`.
pub(crate) fn pods(scene: &Scene) -> Result<Vec<Figure>> {
    let node = Cluster::shared()?.node()?;
    node.apply_pod(&json!({
        "metadata": {"name": "bench"},
        "spec": {"containers": [{
            "name": "main", "image": BUSYBOX, "command": ["sh", "-c", PROGRAM],
            "readinessProbe": {"tcpSocket": {"port": 8081}, "periodSeconds": 1},
        }]},
    }))?;
    node.wait_ready("default", "bench")?;
    let (through, direct) = kubectls(scene)?;
    let (mut log, mut direct_log) = Ends::find(scene)?.connect(scene)?;
    let copy = scratch()?.folder("copy")?.join("file");
    let exec = format!("exec bench -- head -c {BYTES} /dev/zero >/dev/null");
    let cp = format!("cp bench:/tmp/file '{}' >/dev/null", copy.display());
    let (mut logs, mut execs, mut forwards, mut copies) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        logs.push((
            megabytes(&mut log, LOG, LOGS)?,
            megabytes(&mut direct_log, LOG, LOGS)?,
        ));
        execs.push((carried(&through, &exec)?, carried(&direct, &exec)?));
        forwards.push((forwarded(scene, &through)?, forwarded(scene, &direct)?));
        copies.push((carried(&through, &cp)?, carried(&direct, &cp)?));
    }
    ensure!(
        std::fs::metadata(&copy)?.len() == BYTES,
        "not the whole file"
    );
    let figures = vec![
        Figure::against("kube.logs_mb", "MB/s", &logs),
        Figure::against("kube.exec_mb", "MB/s", &execs),
        Figure::against("kube.portforward_mb", "MB/s", &forwards),
        Figure::against("kube.cp_mb", "MB/s", &copies),
        cost(scene, &through)?,
    ];
    node.delete_pod("default", "bench")?;
    Ok(figures)
}

/// CPU of the connector for an exec that does nothing: kubectl asks for the pod, and then for the stream.
fn cost(scene: &Scene, kubectl: &Kubectl) -> Result<Figure> {
    let connector = scene.stack.connector.id()?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let before = cpu::seconds(connector)?;
        for _ in 0..EXECS {
            kubectl.ok(&["exec", "bench", "--", "true"])?;
        }
        rounds.push(cpu::ms_each(connector, before, EXECS)?);
    }
    Ok(Figure::plain(
        "kube.cpu_per_exec",
        "ms",
        median(rounds),
        ROUNDS,
    ))
}

/// MB/s of a kubectl that carries [`BYTES`], by a shell's clock: it sees the end at once.
fn carried(kubectl: &Kubectl, words: &str) -> Result<f64> {
    let script = format!("a=$(date +%s%N); \"$0\" {words} || exit; b=$(date +%s%N); echo $((b-a))");
    let printed = kubectl
        .launch(&[])
        .program("/bin/sh".into())
        .args(["-c", &script])
        .arg(binary("kubectl")?)
        .run()?
        .ok()?;
    let nanos = printed.trim().parse().context("nanoseconds")?;
    Ok(rate(BYTES, std::time::Duration::from_nanos(nanos)))
}

/// MB/s of one download through a port-forward that is open.
fn forwarded(scene: &Scene, kubectl: &Kubectl) -> Result<f64> {
    let mut forward = kubectl
        .launch(&["port-forward", "pod/bench", ":8081"])
        .spawn()?;
    let line = forward.until_line("Forwarding from 127.0.0.1:", BOUND)?;
    let address = line.split_whitespace().nth(2).context("an address")?;
    let mut stream = scene.on_client(|| Ok(TcpStream::connect(address)?))?;
    let begun = Instant::now();
    stream.write_all(b"GET /file HTTP/1.0\r\nHost: bench\r\n\r\n")?;
    let (mut buffer, mut total) = (vec![0; 128 << 10], 0);
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            read => total += read as u64,
        }
    }
    ensure!(total > BYTES, "{total} bytes came");
    let rate = rate(total, begun.elapsed());
    forward.kill()?;
    Ok(rate)
}
