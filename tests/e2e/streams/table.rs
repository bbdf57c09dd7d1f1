//! Which verb passes by which client and protocol.

use std::fmt;

use adit_harness::kubectl::Kubectl;
use anyhow::Result;

use super::Scene;

/// A client, by its name and the protocol of its streams. All but helm take kubectl's words.
pub(super) struct Client {
    name: String,
    pub(super) program: Kubectl,
    /// The verbs that it does not have.
    lacks: &'static [&'static str],
}

/// What a library has no call for.
const LIBRARIES_LACK: &[&str] = &["cp", "debug"];

/// A verb and how it is tried, on a pod of its own.
pub(super) type Verb = (&'static str, fn(&Scene, &Client, &str) -> Result<()>);

/// kubectl of today and of three versions ago and a program that uses client-go, each over both protocols, and programs
/// that use the libraries which know WebSocket alone.
pub(super) fn clients(scene: &Scene) -> Vec<Client> {
    let newer = scene.ben.kubectl("prod").unwrap();
    let of_program = |name| newer.clone().of_program(name).unwrap();
    let with_both: [(_, _, &[_]); 3] = [
        ("kubectl 1.37", newer.clone(), &[]),
        ("kubectl 1.34", of_program("kubectl-1.34"), &[]),
        ("client-go 0.37", of_program("client-go"), LIBRARIES_LACK),
    ];
    let mut clients = Vec::new();
    for (name, kubectl, lacks) in with_both {
        let over_spdy = kubectl
            .clone()
            .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false")
            .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", "false");
        for (protocol, kubectl) in [("WebSocket", kubectl), ("SPDY/3.1", over_spdy)] {
            clients.push(Client {
                name: format!("{name}, {protocol}"),
                program: kubectl,
                lacks,
            });
        }
    }
    let kube_rs = newer.clone().at_path(env!("CARGO_BIN_EXE_kube-rs").into());
    let python = newer.of_program("python-client").unwrap();
    for (name, program) in [("kube-rs 5.0", kube_rs), ("Python kubernetes 37", python)] {
        clients.push(Client {
            name: format!("{name}, WebSocket"),
            program,
            lacks: LIBRARIES_LACK,
        });
    }
    clients
}

/// helm, which has other verbs.
pub(super) fn helm(scene: &Scene) -> Client {
    let kubectl = scene.ben.kubectl("prod").unwrap();
    Client {
        name: "helm 4.3".to_owned(),
        program: kubectl.of_program("helm").unwrap(),
        lacks: &[],
    }
}

/// What came of a verb; nothing where the client does not have it.
type Cell = Option<Result<()>>;

/// What was tried.
pub(super) struct Table {
    verbs: Vec<&'static str>,
    rows: Vec<(String, Vec<Cell>)>,
}

/// Tries each verb by each client.
pub(super) fn tried(scene: &Scene, clients: &[Client], verbs: &[Verb]) -> Table {
    let node = scene.cluster.node().unwrap();
    let row = |(index, client): (usize, &Client)| {
        let pod = format!("streams-{index}");
        node.run_server(&pod).unwrap();
        let cell = |(name, verb): &Verb| {
            let has = !client.lacks.contains(name);
            has.then(|| verb(scene, client, &pod))
        };
        let cells = verbs.iter().map(cell).collect();
        node.delete_pod("default", &pod).unwrap();
        (client.name.clone(), cells)
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
            let passed = |cell: &Cell| match cell {
                Some(Ok(())) => "yes",
                Some(Err(_)) => "NO",
                None => "-",
            };
            let cells: Vec<_> = cells.iter().map(passed).collect();
            writeln!(f, "| {client} | {} |", cells.join(" | "))?;
        }
        for (client, cells) in &self.rows {
            for (verb, cell) in self.verbs.iter().zip(cells) {
                if let Some(Err(error)) = cell {
                    writeln!(f, "\n{client}, {verb}: {error:#}")?;
                }
            }
        }
        Ok(())
    }
}
