//! What every figure is measured on: a whole deployment, a service behind its connector, and the baselines.

use std::net::{SocketAddr, TcpListener};

use adit_harness::cluster::Cluster;
use adit_harness::netns::Network;
use adit_harness::process::{Launch, Process};
use adit_harness::stack::{BOUND, Engineer, GatewayOptions, Stack};
use anyhow::{Context, Result};

use crate::{at, load};

/// How many names the load service has besides `load`: `load-0` and so on, each a target of its own.
pub(crate) const SERVICES: usize = 10;
/// The load service's port, in the cluster's namespace.
pub(crate) const SERVICE: u16 = 9000;
/// UDP port of the raw quinn acceptor, in the cluster's namespace.
const RAW_ACCEPT: u16 = 9001;
/// TCP ports in the client's namespace.
const RAW_FORWARD: u16 = 9002;
const ADIT_FORWARD: u16 = 9003;
/// TCP port of the plain relay, in the gateway's namespace.
const PLAIN_RELAY: u16 = 9004;

/// The admin invites more people in a minute than an admin does.
const CEREMONIES: &str = "limits.ceremonies = 1000";

const POLICY: &str = r#"
@id("everybody-connects")
permit (principal, action == Action::"connect", resource);
@id("everybody-edits")
permit (principal, action == Action::"assume", resource == KubeGroup::"adit-edit");
"#;

/// The deployment and its baselines, all running.
#[derive(Debug)]
pub(crate) struct Scene {
    /// An engineer who is signed in.
    pub(crate) engineer: Engineer,
    /// The whole deployment.
    pub(crate) stack: Stack,
    /// The service through Adit, for programs in the client's namespace.
    pub(crate) through_adit: SocketAddr,
    /// The service through raw quinn.
    pub(crate) through_raw: SocketAddr,
    /// The service through a plain TCP relay on the gateway's host.
    pub(crate) through_relay: SocketAddr,
    /// The plain relay.
    pub(crate) relay: Process,
    _processes: Vec<Process>,
}

impl Scene {
    /// Starts everything.
    pub(crate) fn set() -> Result<Self> {
        let service = at("127.0.0.1", SERVICE)?;
        let stack = deploy(&service.to_string())?;
        let cluster = stack.network.cluster();
        let bind = || TcpListener::bind(("0.0.0.0", SERVICE));
        load::serve(cluster.netns().enter(bind)??);
        let engineer = stack.engineer("ben@example.org")?;
        let mut processes = Vec::new();

        let program = std::env::current_exe()?;
        let raw_at = at(cluster.address(), RAW_ACCEPT)?;
        let mut accept = cluster
            .netns()
            .launch(&program)
            .args(["role", "accept", &raw_at.to_string(), &service.to_string()])
            .spawn()?;
        let line = accept.until_line("key ", BOUND)?;
        let key = line.trim_start_matches("key ").to_owned();
        processes.push(accept);

        let through_raw = at("127.0.0.1", RAW_FORWARD)?;
        let client = stack.network.client().netns();
        // For the baselines that ask the API server directly.
        Cluster::shared()?.attach(client)?;
        let role = [
            "role",
            "forward",
            &through_raw.to_string(),
            &raw_at.to_string(),
            &key,
        ];
        processes.push(ready(&client.launch(&program).args(role), "ready")?);

        let relay_at = at(stack.network.gateway().address(), PLAIN_RELAY)?;
        let behind = at(cluster.address(), SERVICE)?;
        let role = ["role", "relay", &relay_at.to_string(), &behind.to_string()];
        let relay = ready(
            &stack.network.gateway().netns().launch(&program).args(role),
            "ready",
        )?;

        let through_adit = at("127.0.0.1", ADIT_FORWARD)?;
        let forward = [
            "forward",
            "prod/load",
            "--listen",
            &through_adit.to_string(),
        ];
        processes.push(ready(&engineer.adit(&forward), &through_adit.to_string())?);
        Ok(Self {
            engineer,
            stack,
            through_adit,
            through_raw,
            through_relay: relay_at,
            relay,
            _processes: processes,
        })
    }

    /// Runs `work` as a program on the client's host would.
    pub(crate) fn on_client<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.stack.network.client().netns().enter(work)?
    }
}

/// A gateway, an admin, and a connector that serves the load at `service`.
fn deploy(service: &str) -> Result<Stack> {
    let options = GatewayOptions {
        extra: CEREMONIES.to_owned(),
        ..GatewayOptions::default()
    };
    Stack::on(Network::new()?, &options, POLICY, |connector| {
        let connector = connector.with_service("load", service)?;
        (0..SERVICES).try_fold(connector, |connector, number| {
            connector.with_service(&format!("load-{number}"), service)
        })
    })
}

fn ready(launch: &Launch, line: &str) -> Result<Process> {
    let mut process = launch.spawn()?;
    process
        .until_line(line, BOUND)
        .context("a baseline or forward")?;
    Ok(process)
}
