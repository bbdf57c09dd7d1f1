//! What gateway and connector hold for machines that do nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use adit_harness::memory::resident;
use anyhow::{Result, ensure};

use crate::figure::{Figure, median};
use crate::fleet::{Device, Machine};
use crate::scene::Scene;

/// What is opened between two looks at the memory.
const STEP: usize = 1_000;
/// Machines of one device: the gateway closes the oldest of more.
const OF_DEVICE: usize = 8;
const DEVICES: usize = STEP / OF_DEVICE;
/// Steps of sessions.
const ROUNDS: usize = 3;
const TARGET: &str = "service/prod/load-0";

/// `mem.gateway_control`, `mem.gateway_idle_session`, `mem.connector_link`: bytes of each, from what a process has in
/// use before and after a step. There is one step of control connections and of links, since each machine has one of
/// each; and several of sessions, of which a machine has one more in each.
pub(crate) fn memory(scene: &Scene) -> Result<Vec<Figure>> {
    let gateway = scene.stack.gateway.id()?;
    let connector = scene.stack.connector.id()?;
    let address: SocketAddr = scene.stack.gateway.address().parse()?;
    let mut devices = Vec::with_capacity(DEVICES);
    for number in 0..DEVICES {
        let engineer = scene
            .stack
            .engineer(&format!("fleet-{number}@example.org"))?;
        devices.push(Arc::new(Device::of(&engineer, address)?));
    }
    let inside = scene.stack.network.client().netns().runtime()?;

    let before = resident(gateway)?;
    let mut machines = Vec::with_capacity(STEP);
    for device in devices.iter().cycle().take(STEP) {
        let machine = Machine::register(device.clone());
        machines.push(inside.block_on(inside.spawn(machine))??);
    }
    let control = each(before, resident(gateway)?);

    let mut sessions = Vec::new();
    for _ in 0..ROUNDS {
        let before = resident(gateway)?;
        for machine in &mut machines {
            inside.block_on(machine.open_session(TARGET))?;
        }
        sessions.push(each(before, resident(gateway)?));
    }

    let before = resident(connector)?;
    for machine in &mut machines {
        inside.block_on(machine.open_link())?;
    }
    let link = each(before, resident(connector)?);
    let lost = machines.iter().filter(|it| !it.is_whole()).count();
    ensure!(lost == 0, "{lost} machines lost their connection or link");
    Ok(vec![
        Figure::plain("mem.gateway_control", "B", control, 1),
        Figure::plain("mem.gateway_idle_session", "B", median(sessions), ROUNDS),
        Figure::plain("mem.connector_link", "B", link, 1),
    ])
}

fn each(before: f64, after: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
    let step = STEP as f64;
    (after - before) / step
}
