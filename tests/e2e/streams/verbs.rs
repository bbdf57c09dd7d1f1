//! How each verb is tried.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use adit_harness::cluster::BUSYBOX;
use adit_harness::process::Launch;
use adit_harness::scratch::scratch;
use adit_harness::terminal::Terminal;
use anyhow::{Context, Result, ensure};

use super::Scene;
use super::table::{Client, Verb};

pub(super) const BOUND: Duration = Duration::from_secs(30);
/// A program that says each line back.
pub(super) const ECHO: &str = "while read line; do echo got $line; done";
/// What `cp` carries both ways, in bytes.
const FILE: usize = 20 << 20;

/// What is asked and answered, and each verb that streams.
pub(super) const ALL: [Verb; 9] = [
    ("create, get, list, delete", objects),
    ("exec", exec),
    ("exec on a terminal", terminal),
    ("attach", attach),
    ("logs -f", logs),
    ("watch", watch),
    ("port-forward", port_forward),
    ("cp", cp),
    ("debug", debug),
];

/// An object from its making to its end.
fn objects(_: &Scene, client: &Client, pod: &str) -> Result<()> {
    let name = format!("made-by-{pod}");
    let line = format!("configmap/{name}");
    let get = ["get", "configmap", &name, "-o", "name"];
    client.program.ok(&["create", "configmap", &name])?;
    let got = client.program.ok(&get)?;
    ensure!(got.trim() == line, "{got}");
    let listed = client.program.ok(&["get", "configmaps", "-o", "name"])?;
    for each in [&line, "configmap/kube-root-ca.crt"] {
        ensure!(listed.lines().any(|listed| listed == each), "{listed}");
    }
    client.program.ok(&["delete", "configmap", &name])?;
    let gone = client.program.run(&get)?;
    ensure!(gone.code == Some(1), "{gone:?}");
    ensure!(gone.stderr.contains("not found"), "{gone:?}");
    Ok(())
}

/// Input, both outputs apart, and the exit code.
fn exec(_: &Scene, client: &Client, pod: &str) -> Result<()> {
    let script = "cat; echo no >&2; exit 42";
    let finished = client
        .program
        .launch(&["exec", "-i", pod, "--", "sh", "-c", script])
        .input("yes\n")
        .run()?;
    ensure!(finished.code == Some(42), "{finished:?}");
    ensure!(finished.stdout == "yes\n", "{finished:?}");
    ensure!(finished.stderr.starts_with("no\n"), "{finished:?}");
    Ok(())
}

/// The window's size, a new one, and ^C, which the program in the pod gets and the client does not.
fn terminal(_: &Scene, client: &Client, pod: &str) -> Result<()> {
    let script = "trap 'exit 43' INT; while :; do stty size; sleep 0.1; done";
    let exec = client
        .program
        .launch(&["exec", "-it", pod, "--", "sh", "-c", script]);
    let mut terminal = Terminal::start(&exec)?;
    terminal.until("24 80", BOUND)?;
    terminal.resize(41, 101)?;
    terminal.until("41 101", BOUND)?;
    terminal.type_in("\u{3}")?;
    let code = terminal.finish(BOUND)?;
    ensure!(code == 43, "exit code {code}");
    Ok(())
}

/// A program that runs already: what is typed, and what it says.
fn attach(scene: &Scene, client: &Client, pod: &str) -> Result<()> {
    let node = scene.cluster.node()?;
    let talker = format!("{pod}-talker");
    node.apply_pod(&serde_json::json!({
        "metadata": {"name": talker},
        "spec": {"containers": [{"name": "main", "image": BUSYBOX, "stdin": true, "tty": true,
            "command": ["sh", "-c", ECHO]}]},
    }))?;
    node.wait_ready("default", &talker)?;
    let attach = client.program.launch(&["attach", "-it", &talker]);
    typed(&attach)?;
    node.delete_pod("default", &talker)
}

/// Types a line on a program that says it back.
fn typed(launch: &Launch) -> Result<()> {
    let mut terminal = Terminal::start(launch)?;
    terminal.until("If you don't see a command prompt", BOUND)?;
    terminal.type_in("hello\n")?;
    terminal.until("got hello", BOUND)
}

/// Lines that are written while somebody follows.
fn logs(_: &Scene, client: &Client, pod: &str) -> Result<()> {
    let mut following = client.program.launch(&["logs", "-f", pod]).spawn()?;
    following.until_line("Started HTTP server", BOUND)?;
    let line = "echo later > /proc/1/fd/1";
    client.program.ok(&["exec", pod, "--", "sh", "-c", line])?;
    following.until_line("later", BOUND)?;
    following.kill()
}

/// What is there, and what comes while somebody watches.
fn watch(scene: &Scene, client: &Client, pod: &str) -> Result<()> {
    let words = ["get", "configmaps", "--watch", "-o", "name"];
    let mut watching = client.program.launch(&words).spawn()?;
    watching.until_line("configmap/kube-root-ca.crt", BOUND)?;
    let name = format!("of-{pod}");
    let admin = scene.cluster.kubectl()?;
    admin.ok(&["create", "configmap", &name])?;
    watching.until_line(&format!("configmap/{name}"), BOUND)?;
    watching.kill()?;
    admin.ok(&["delete", "configmap", &name])?;
    Ok(())
}

/// A server in the pod, twice on one command.
fn port_forward(scene: &Scene, client: &Client, pod: &str) -> Result<()> {
    let mut forward = client
        .program
        .launch(&["port-forward", &format!("pod/{pod}"), ":8080"])
        .spawn()?;
    let line = forward.until_line("Forwarding from 127.0.0.1:", BOUND)?;
    let address = line.split_whitespace().nth(2).context("an address")?;
    for _ in 0..2 {
        let connect = || TcpStream::connect(address);
        let mut stream = scene.stack.network.client().netns().enter(connect)??;
        stream.write_all(b"GET /hostname HTTP/1.0\r\nHost: server\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.ends_with(&format!("\r\n\r\n{pod}")), "{answer}");
    }
    forward.kill()
}

/// Twenty megabytes there and back, compared byte by byte.
fn cp(_: &Scene, client: &Client, pod: &str) -> Result<()> {
    let folder = scratch()?.folder("copy")?;
    let (there, back) = (folder.join("there"), folder.join("back"));
    let mut bytes = vec![0; FILE];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .ok()
        .context("randomness")?;
    std::fs::write(&there, &bytes)?;
    let text = |path: &std::path::Path| path.display().to_string();
    let remote = format!("{pod}:/tmp/file");
    client.program.ok(&["cp", &text(&there), &remote])?;
    client.program.ok(&["cp", &remote, &text(&back)])?;
    ensure!(std::fs::read(&back)? == bytes, "not the same bytes");
    Ok(())
}

/// A container beside the pod's own, made for this and attached to.
fn debug(_: &Scene, client: &Client, pod: &str) -> Result<()> {
    let image = format!("--image={BUSYBOX}");
    let container = [&image, "--image-pull-policy=Never", "--profile=general"];
    let debug = client
        .program
        .launch(&["debug", "-it", pod])
        .args(container)
        .args(["--", "sh", "-c", ECHO]);
    typed(&debug)
}
