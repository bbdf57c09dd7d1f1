//! The program as it is run: what it listens on, what its probe says, and how it ends.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that finds something else than it looks for has failed"
)]

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use adit_proto::testing::TestKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const PROGRAM: &str = env!("CARGO_BIN_EXE_adit-connector");
/// Long enough for a busy machine.
const BOUND: Duration = Duration::from_secs(30);

/// Ends the process when a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A configuration for a gateway that never answers.
fn configure(dir: &Path, gateway: &UdpSocket) -> std::path::PathBuf {
    let key = dir.join("cluster.key");
    adit_transport::secret_file::create(&key, TestKey::generate().pkcs8()).unwrap();
    let hash = STANDARD.encode([7; 32]);
    let fingerprint = TestKey::generate().fingerprint();
    let text = format!(
        "gateways = [\"{}\"]\ngateways_key = \"{fingerprint}\"\ngenesis = \"{hash}\"\n\
         head = {{ number = 1, hash = \"{hash}\" }}\ncluster = \"prod\"\nkey_file = \"{}\"\nstate_dir = \"{}\"\n\
         [[services]]\nname = \"db\"\naddress = \"127.0.0.1:5432\"\n",
        gateway.local_addr().unwrap(),
        key.display(),
        dir.join("state").display(),
    );
    let path = dir.join("connector.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn command(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg("--config").arg(config);
    command
}

fn output(config: &Path, arguments: &[&str]) -> Output {
    command(config, arguments).output().unwrap()
}

/// Starts the program and waits until it has dialled the gateway.
fn started(config: &Path, gateway: &UdpSocket) -> Running {
    let running = Running(
        command(config, &["run"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    gateway.set_read_timeout(Some(BOUND)).unwrap();
    let mut datagram = [0; 2048];
    gateway
        .recv(&mut datagram)
        .expect("the connector does not dial");
    running
}

/// Sockets of a process in one table of its network namespace: local address, remote address, state.
fn sockets(process: u32, table: &str) -> Vec<(String, String, String)> {
    let inodes: Vec<String> = std::fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            Some(
                link.to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    let text = std::fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap();
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let own = inodes.iter().any(|inode| inode == words[9]);
            own.then(|| {
                (
                    words[1].to_owned(),
                    words[2].to_owned(),
                    words[3].to_owned(),
                )
            })
        })
        .collect()
}

#[test]
fn it_listens_on_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = configure(dir.path(), &gateway);
    let running = started(&config, &gateway);
    let process = running.0.id();
    for table in ["tcp", "tcp6"] {
        // 0A is LISTEN.
        let listening = sockets(process, table)
            .into_iter()
            .find(|(_, _, state)| state == "0A");
        assert_eq!(listening, None);
    }
    let udp = [sockets(process, "udp"), sockets(process, "udp6")].concat();
    assert!(
        !udp.is_empty(),
        "the socket to the gateway is not seen, so the test sees nothing"
    );
    for (local, remote, _) in udp {
        assert!(!remote.ends_with(":0000"), "{local} is not connected");
    }
}

#[test]
fn its_probe_tells_alone_from_ready_and_sigterm_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = configure(dir.path(), &gateway);
    assert!(!output(&config, &["health"]).status.success());
    let mut running = started(&config, &gateway);
    let health = output(&config, &["health"]);
    assert!(health.status.success());
    assert_eq!(health.stdout, b"alone\n");
    assert!(!output(&config, &["health", "--ready"]).status.success());
    let process = running.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &process])
            .status()
            .unwrap()
            .success()
    );
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn a_check_names_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = configure(dir.path(), &gateway);
    assert!(output(&config, &["check"]).status.success());
    let key = dir.path().join("cluster.key");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&key, mode).unwrap();
    let refused = output(&config, &["check"]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && text.contains("cluster.key has mode 0644"),
        "{text}"
    );
    std::fs::write(&config, "gateways = []\nfoo = 1\n").unwrap();
    let text = String::from_utf8(output(&config, &["check"]).stderr).unwrap();
    assert!(
        text.contains("connector.toml") && text.contains("line 2"),
        "{text}"
    );
}
