//! A hundred sessions, a thousand open streams and a reader that stops: what the others notice, and what it takes.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use adit_harness::memory;
use adit_harness::process::Process;
use adit_harness::stack::{BOUND, Engineer};
use adit_harness::wait;
use anyhow::{Context, Result};

use crate::figure::{Figure, percentile};
use crate::load;
use crate::scene::{SERVICES, Scene};

/// Engineers' machines. Each has a session for each of the [`SERVICES`], all in one link.
const MACHINES: usize = 10;
/// Open streams, the same number in each session.
const STREAMS: usize = 1_000;
const ROUNDS: usize = 5;
/// A multiple of [`STREAMS`], so that each is used as often as any other.
const PINGS: usize = 3_000;
/// What the slow reader takes before it stops, in bytes: more than was sent before it began.
const READ: usize = 4 << 20;
/// How long everything in between takes to fill up behind it.
const FILLING: Duration = Duration::from_secs(1);

/// `crowd.rtt_p99`, `crowd.gateway_mb`, `crowd.connector_mb`, `crowd.agent_mb` (the slow reader's).
///
/// The baseline is one stream of each machine and nobody who is slow; of memory, what was in use before the crowd came.
pub(crate) fn crowd(scene: &Scene) -> Result<Vec<Figure>> {
    let ids = [scene.stack.gateway.id()?, scene.stack.connector.id()?];
    let [gateway, connector] = ids.map(memory::resident);
    let crowd = Crowd::gather(scene)?;
    let slow = crowd.machines.first().context("a machine")?.agent_id()?;
    let processes = [ids[0], ids[1], slow];
    let before = [gateway?, connector?, memory::resident(slow)?];
    let mut most = before;
    let mut rtt = Vec::new();
    for _ in 0..ROUNDS {
        let mut alone = crowd.streams(scene, MACHINES)?;
        let without = percentile(load::pings_on(&mut alone, PINGS).context("alone")?, 99);
        drop(alone);
        let mut streams = crowd.streams(scene, STREAMS)?;
        let _slow = crowd.slow_reader(scene)?;
        let with = percentile(
            load::pings_on(&mut streams, PINGS).context("in the crowd")?,
            99,
        );
        rtt.push((with, without));
        for (most, id) in most.iter_mut().zip(processes) {
            *most = most.max(memory::resident(id)?);
        }
    }
    let names = ["crowd.gateway_mb", "crowd.connector_mb", "crowd.agent_mb"];
    let in_use = names.into_iter().zip(most.into_iter().zip(before));
    let mut figures = vec![Figure::against("crowd.rtt_p99", "us", &rtt)];
    figures.extend(in_use.map(|(name, (most, before))| {
        let mut figure = Figure::against(name, "MB", &[(most / 1e6, before / 1e6)]);
        figure.runs = ROUNDS;
        figure
    }));
    Ok(figures)
}

/// Machines with all their forwards.
struct Crowd {
    machines: Vec<Engineer>,
    _forwards: Vec<Process>,
    /// Where the streams begin, one address a session: the first of each machine, then the second, and so on.
    addresses: Vec<SocketAddr>,
}

impl Crowd {
    fn gather(scene: &Scene) -> Result<Self> {
        let (mut machines, mut forwards, mut each) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..MACHINES {
            let engineer = scene
                .stack
                .engineer(&format!("crowd-{number}@example.org"))?;
            let services = (0..SERVICES).map(|number| format!("prod/load-{number}"));
            let mut forward = engineer.adit(&["forward"]).args(services).spawn()?;
            each.push(forward.until("all forwards", BOUND, |process| Ok(listening(process)))?);
            machines.push(engineer);
            forwards.push(forward);
        }
        let addresses = (0..SERVICES)
            .flat_map(|service| each.iter().filter_map(move |of| of.get(service).copied()))
            .collect();
        Ok(Self {
            machines,
            _forwards: forwards,
            addresses,
        })
    }

    /// Opens so many streams, on one machine after the other, and sees a byte come back on each before the next: the
    /// service has room for a hundred that wait to be accepted. Beyond that its kernel answers with SYN cookies, and a
    /// connection whose first byte was dropped then begins with its second.
    fn streams(&self, scene: &Scene, count: usize) -> Result<Vec<TcpStream>> {
        let addresses = self.addresses.iter().cycle().take(count);
        scene.on_client(|| {
            addresses
                .map(|address| {
                    let mut stream = load::open(*address, b'E')?;
                    load::pings_on(std::slice::from_mut(&mut stream), 1).context("a new stream")?;
                    Ok(stream)
                })
                .collect()
        })
    }

    /// A busy stream of the first machine, whose reader has stopped.
    fn slow_reader(&self, scene: &Scene) -> Result<TcpStream> {
        let address = self.addresses.first().context("an address")?;
        let mut stream = scene.on_client(|| load::open(*address, b'D'))?;
        let mut left = vec![0; READ];
        stream.read_exact(&mut left).context("the busy stream")?;
        wait::last(FILLING);
        Ok(stream)
    }
}

/// The addresses that a forward of all services tells, once it has told them all.
fn listening(process: &Process) -> Option<Vec<SocketAddr>> {
    let told = process.stderr();
    let addresses: Vec<_> = told
        .lines()
        .filter_map(|line| line.strip_prefix("Forwarding "))
        .filter_map(|rest| rest.split(' ').next()?.parse().ok())
        .collect();
    (addresses.len() == SERVICES).then_some(addresses)
}
