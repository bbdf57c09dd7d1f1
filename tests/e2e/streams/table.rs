//! Which verb passes by which client and protocol.

use std::fmt;

use adit_harness::kubectl::Kubectl;
use anyhow::Result;

use super::Scene;

/// A client with the protocol that its streams use.
pub(super) struct Client {
    name: &'static str,
    protocol: &'static str,
    pub(super) kubectl: Kubectl,
}

/// A verb and how it is tried, on a pod of its own.
pub(super) type Verb = (&'static str, fn(&Scene, &Client, &str) -> Result<()>);

/// kubectl of today and of three versions ago, each over both protocols.
pub(super) fn clients(scene: &Scene) -> Vec<Client> {
    let newer = scene.ben.kubectl("prod").unwrap();
    let older = newer.clone().of_program("kubectl-1.34").unwrap();
    let over_spdy = |kubectl: &Kubectl| {
        kubectl
            .clone()
            .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false")
            .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", "false")
    };
    let mut clients = Vec::new();
    for (name, kubectl) in [("kubectl 1.37", newer), ("kubectl 1.34", older)] {
        for (protocol, kubectl) in [
            ("WebSocket", kubectl.clone()),
            ("SPDY/3.1", over_spdy(&kubectl)),
        ] {
            clients.push(Client {
                name,
                protocol,
                kubectl,
            });
        }
    }
    clients
}

/// What was tried.
pub(super) struct Table {
    verbs: Vec<&'static str>,
    rows: Vec<(String, Vec<Result<()>>)>,
}

/// Tries each verb by each client.
pub(super) fn tried(scene: &Scene, clients: &[Client], verbs: &[Verb]) -> Table {
    let node = scene.cluster.node().unwrap();
    let row = |(index, client): (usize, &Client)| {
        let pod = format!("streams-{index}");
        node.run_server(&pod).unwrap();
        let cells = verbs.iter().map(|(_, verb)| verb(scene, client, &pod));
        let cells = cells.collect();
        node.delete_pod("default", &pod).unwrap();
        (format!("{}, {}", client.name, client.protocol), cells)
    };
    Table {
        verbs: verbs.iter().map(|(name, _)| *name).collect(),
        rows: clients.iter().enumerate().map(row).collect(),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| client | {} |", self.verbs.join(" | "))?;
        writeln!(f, "|{}", " --- |".repeat(self.verbs.len() + 1))?;
        for (client, cells) in &self.rows {
            let passed = |cell: &Result<()>| if cell.is_ok() { "yes" } else { "NO" };
            let cells: Vec<_> = cells.iter().map(passed).collect();
            writeln!(f, "| {client} | {} |", cells.join(" | "))?;
        }
        for (client, cells) in &self.rows {
            for (verb, cell) in self.verbs.iter().zip(cells) {
                if let Err(error) = cell {
                    writeln!(f, "\n{client}, {verb}: {error:#}")?;
                }
            }
        }
        Ok(())
    }
}
