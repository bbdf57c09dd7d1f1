//! What k9s has open at once, through one agent: many watches on the connections of one program, a shell, a forward.

use std::io::{Read, Write};
use std::net::TcpStream;

use adit_harness::cluster::BUSYBOX;
use adit_harness::memory::resident;
use adit_harness::process::Process;
use adit_harness::terminal::Terminal;
use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::json;

use super::Scene;
use super::verbs::{BOUND, ECHO};

/// How many watches.
const WATCHES: usize = 30;
/// What somebody who does not read is sent, in MiB: far more than all buffers on the way hold.
const FLOOD: usize = 128;
/// How many rounds it may take until the flood stands still.
const ROUNDS: usize = 20;
/// What who does not read may cost the agent and the connector, in bytes: the window of a stream, 8 MiB, and some rest.
const COST: f64 = 24.0 * 1024.0 * 1024.0;

/// All that is open.
pub(super) struct Open<'a> {
    scene: &'a Scene,
    pod: &'a str,
    names: Vec<String>,
    watches: Process,
    shell: Terminal,
    forward: Process,
    rounds: usize,
}

impl<'a> Open<'a> {
    /// Opens it, each while the others are open.
    pub(super) fn start(scene: &'a Scene, pod: &'a str) -> Result<Self> {
        let kubectl = scene.ben.kubectl("prod")?;
        let client_go = kubectl.clone().of_program("client-go")?;
        let names: Vec<_> = (0..WATCHES).map(|at| format!("{pod}-{at}")).collect();
        let mut watches = client_go
            .launch(&["get", "configmap"])
            .args(&names)
            .arg("--watch")
            .spawn()?;
        let shell = kubectl.launch(&["exec", "-it", pod, "--", "sh", "-c", ECHO]);
        let shell = Terminal::start(&shell)?;
        let forward = client_go
            .launch(&["port-forward", &format!("pod/{pod}"), ":8080"])
            .spawn()?;
        watches.until_line(&format!("watches: {WATCHES}"), BOUND)?;
        Ok(Self {
            scene,
            pod,
            names,
            watches,
            shell,
            forward,
            rounds: 0,
        })
    }

    /// Each of them answers.
    pub(super) fn answers(&mut self) -> Result<()> {
        self.rounds += 1;
        let rounds = self.rounds;
        self.shell.type_in(&format!("{rounds}\n"))?;
        self.shell.until(&format!("got {rounds}"), BOUND)?;

        let line = self.forward.until_line("Forwarding from ", BOUND)?;
        let address = line.split_whitespace().nth(2).context("an address")?;
        let client = self.scene.stack.network.client().netns();
        let mut stream = client.enter(|| TcpStream::connect(address))??;
        stream.set_read_timeout(Some(BOUND))?;
        stream.write_all(b"GET /hostname HTTP/1.0\r\nHost: server\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.ends_with(self.pod), "{answer}");

        let objects = self.names.iter().map(|name| {
            format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{round: \"{rounds}\"}}}}"
            )
        });
        let objects: Vec<_> = objects.collect();
        self.scene
            .cluster
            .kubectl()?
            .apply(&objects.join("\n---\n"))?;
        let names = &self.names;
        self.watches
            .until("an event on each watch", BOUND, |process| {
                let shown = process.stdout();
                let seen = |name: &String| {
                    let line = format!("configmap/{name}");
                    shown.lines().filter(|shown| *shown == line).count()
                };
                Ok(names.iter().all(|name| seen(name) == rounds).then_some(()))
            })
    }

    /// Each of them answers while somebody else reads nothing of what a program sends all the time; it gets all of that
    /// when it reads again. The program ends when it was read: an API server closes at once, and if kubectl's ping meets
    /// the closed socket, then what was still on the way is lost, with or without Adit.
    pub(super) fn answers_beside_a_flood(&mut self) -> Result<()> {
        let script = format!(
            "sent=0; while [ $sent -lt {FLOOD} ]; do head -c 1048576 /dev/zero; sent=$((sent + 1)); echo $sent >/tmp/sent; done; \
             until [ -e /tmp/read ]; do sleep 0.1; done"
        );
        let kubectl = self.scene.ben.kubectl_as_written()?;
        let mut flood = kubectl
            .launch(&["exec", self.pod, "--", "sh", "-c", &script])
            .spawn()?;
        let before = self.memory()?;
        stops(&mut flood)?;
        self.answers_until_it_stands_still()?;
        self.costs_a_window(before)?;
        flood.signal(Signal::CONT)?;
        flood.until("the whole flood", 4 * BOUND, |flood| {
            Ok((flood.written()? == (FLOOD << 20) as u64).then_some(()))
        })?;
        let admin = self.scene.cluster.kubectl()?;
        admin.ok(&["exec", self.pod, "--", "touch", "/tmp/read"])?;
        let flood = flood.finish(BOUND)?;
        ensure!(flood.code == Some(0), "{}", flood.stderr);
        Ok(())
    }

    /// Each of them answers beside somebody who follows a long log and reads nothing of it.
    pub(super) fn answers_beside_a_log(&mut self) -> Result<()> {
        let pod = format!("{}-log", self.pod);
        let script = format!(
            "yes $(printf %01000d 0) | head -c {}; sleep 3600",
            FLOOD << 20
        );
        let main = json!({"name": "main", "image": BUSYBOX, "command": ["sh", "-c", script]});
        let node = self.scene.cluster.node()?;
        node.apply_pod(&json!({"metadata": {"name": pod}, "spec": {"containers": [main]}}))?;
        node.wait_ready("default", &pod)?;
        let kubectl = self.scene.ben.kubectl_as_written()?;
        let mut log = kubectl.launch(&["logs", "--follow", &pod]).spawn()?;
        let before = self.memory()?;
        stops(&mut log)?;
        for _ in 0..2 {
            self.answers()?;
        }
        self.costs_a_window(before)?;
        log.kill()
    }

    /// What the agent and the connector have in use.
    fn memory(&self) -> Result<[f64; 2]> {
        let agent = self.scene.ben.agent_id()?;
        Ok([
            resident(agent)?,
            resident(self.scene.stack.connector.id()?)?,
        ])
    }

    fn costs_a_window(&self, before: [f64; 2]) -> Result<()> {
        let now = self.memory()?;
        let least = before.map(|before| before + COST);
        ensure!(
            now[0] < least[0] && now[1] < least[1],
            "agent and connector had {before:?} and have {now:?} bytes in use"
        );
        Ok(())
    }

    /// Returns after a round during which nothing of the flood moved.
    fn answers_until_it_stands_still(&mut self) -> Result<()> {
        let mut before = None;
        for _ in 0..ROUNDS {
            self.answers()?;
            let sent = self.sent()?;
            ensure!(sent != Some(FLOOD), "nothing held the flood up");
            if sent.is_some() && before == sent {
                return Ok(());
            }
            before = sent;
        }
        bail!("the flood does not stand still: {before:?} MiB")
    }

    /// How much of the flood was sent, as the pod says when it is asked past Adit.
    fn sent(&self) -> Result<Option<usize>> {
        let cat = ["exec", self.pod, "--", "cat", "/tmp/sent"];
        let said = self.scene.cluster.kubectl()?.run(&cat)?.stdout;
        Ok(said.trim().parse().ok())
    }
}

/// Has a program that is sent something read no more of it.
fn stops(reader: &mut Process) -> Result<()> {
    let begun = |reader: &Process| Ok((reader.written()? > 0).then_some(()));
    reader.until("the first bytes", BOUND, begun)?;
    reader.signal(Signal::STOP)
}
