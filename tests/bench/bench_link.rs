//! What a stream through Adit costs, against raw quinn without a gateway.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::figure::{Figure, median, percentile};
use crate::scene::Scene;
use crate::{cpu, load};

const ROUNDS: usize = 7;
const SPAN: Duration = Duration::from_millis(1500);
const PINGS: usize = 3000;
const OPENS: usize = 300;
const STREAMS: usize = 8;

/// `bulk.up`, `bulk.down`, `cpu.gateway_per_gb`, `cpu.all_per_gb`.
pub(crate) fn bulk(scene: &Scene) -> Result<Vec<Figure>> {
    let (mut up, mut down, mut gateway, mut all) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let ids = (scene.stack.gateway.id()?, scene.relay.id());
    let ends = (scene.engineer.agent_id()?, scene.stack.connector.id()?);
    for _ in 0..ROUNDS {
        let before = cpu::seconds(ids.0)?;
        let of_ends = cpu::seconds(ends.0)? + cpu::seconds(ends.1)?;
        let adit = scene.on_client(|| load::up(scene.through_adit, SPAN))?;
        let through_gateway = (cpu::seconds(ids.0)? - before) / gigabytes(adit);
        let of_ends = cpu::seconds(ends.0)? + cpu::seconds(ends.1)? - of_ends;
        all.push(through_gateway + of_ends / gigabytes(adit));
        let raw = scene.on_client(|| load::up(scene.through_raw, SPAN))?;
        up.push((adit, raw));

        let before = cpu::seconds(ids.1)?;
        let relayed = scene.on_client(|| load::up(scene.through_relay, SPAN))?;
        let through_relay = (cpu::seconds(ids.1)? - before) / gigabytes(relayed);
        gateway.push((through_gateway, through_relay));

        let adit = scene.on_client(|| load::down(scene.through_adit, SPAN))?;
        let raw = scene.on_client(|| load::down(scene.through_raw, SPAN))?;
        down.push((adit, raw));
    }
    Ok(vec![
        Figure::against("bulk.up", "MB/s", &up),
        Figure::against("bulk.down", "MB/s", &down),
        Figure::against("cpu.gateway_per_gb", "s/GB", &gateway),
        Figure::plain("cpu.all_per_gb", "s/GB", median(all), ROUNDS),
    ])
}

/// `bulk.8streams`.
pub(crate) fn streams(scene: &Scene) -> Result<Vec<Figure>> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let adit = together(scene, scene.through_adit)?;
        rounds.push((adit, together(scene, scene.through_raw)?));
    }
    Ok(vec![Figure::against("bulk.8streams", "MB/s", &rounds)])
}

/// MB/s of all streams together.
fn together(scene: &Scene, to: SocketAddr) -> Result<f64> {
    thread::scope(|scope| {
        let one = || scope.spawn(|| scene.on_client(|| load::up(to, SPAN)));
        let all: Vec<_> = (0..STREAMS).map(|_| one()).collect();
        let rates = all
            .into_iter()
            .map(|each| each.join().ok().context("a stream")?);
        rates.sum()
    })
}

/// `rtt.p50`, `rtt.p99`, `stream.open`.
pub(crate) fn rtt(scene: &Scene) -> Result<Vec<Figure>> {
    let (mut p50, mut p99, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let pings = |to: SocketAddr| scene.on_client(move || load::pings(to, PINGS));
        let (adit, raw) = (pings(scene.through_adit)?, pings(scene.through_raw)?);
        for (rounds, percent) in [(&mut p50, 50), (&mut p99, 99)] {
            rounds.push((
                percentile(adit.iter().copied(), percent),
                percentile(raw.iter().copied(), percent),
            ));
        }
        let opens = |to: SocketAddr| scene.on_client(move || load::opens(to, OPENS));
        let (adit, raw) = (opens(scene.through_adit)?, opens(scene.through_raw)?);
        open.push((percentile(adit, 50), percentile(raw, 50)));
    }
    Ok(vec![
        Figure::against("rtt.p50", "us", &p50),
        Figure::against("rtt.p99", "us", &p99),
        Figure::against("stream.open", "us", &open),
    ])
}

fn gigabytes(rate: f64) -> f64 {
    rate * SPAN.as_secs_f64() / 1e3
}
