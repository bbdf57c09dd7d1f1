//! The real connector, and the configuration that its cluster's owner wrote.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use adit_harness::built::program;
use adit_harness::process::{Launch, Process};
use adit_harness::scratch::scratch;
use adit_proto::statement::Head;
use adit_proto::testing::{Log, TestCluster};
use adit_transport::secret_file;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A running connector. It is killed on drop.
pub(super) struct RealConnector {
    config: PathBuf,
    process: Option<Process>,
}

/// What the owner of the cluster decides.
pub(super) struct Owner {
    /// The head that is written down at the installation.
    pub(super) head: Head,
    /// How old a sign-in may be.
    pub(super) sign_in_max_s: u64,
}

impl RealConnector {
    /// Installs a connector that serves an API server, which nobody asks, and the service `db`.
    pub(super) fn start(
        gateway: SocketAddr,
        log: &Log,
        cluster: &TestCluster,
        owner: &Owner,
    ) -> Self {
        let folder = scratch().unwrap().folder("lies").unwrap();
        secret_file::create(&folder.join("cluster.key"), cluster.key.pkcs8()).unwrap();
        fs::write(folder.join("ca.pem"), authority()).unwrap();
        fs::write(folder.join("token"), "unused").unwrap();
        let config = folder.join("connector.toml");
        fs::write(&config, configuration(&folder, gateway, log, owner)).unwrap();
        let mut connector = Self {
            config,
            process: None,
        };
        connector.run();
        connector
    }

    fn run(&mut self) {
        let launch = Launch::new(program("adit-connector").unwrap());
        let launch = launch.args(["run", "--config"]).arg(&self.config);
        self.process = Some(launch.spawn().unwrap());
    }

    /// Ends it in order and starts it again on its volume.
    pub(super) fn restart(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop().unwrap().ok().unwrap();
        }
        self.run();
    }
}

impl Drop for RealConnector {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
        }
    }
}

fn configuration(folder: &Path, gateway: SocketAddr, log: &Log, owner: &Owner) -> String {
    let here = folder.display();
    format!(
        r#"
gateways = ["{gateway}"]
gateways_key = "{}"
genesis = "{}"
head = {{ number = {}, hash = "{}" }}
cluster = "prod"
key_file = "{here}/cluster.key"
state_dir = "{here}/state"

[kubernetes]
api_server = "https://127.0.0.1:1"
ca_file = "{here}/ca.pem"
token_file = "{here}/token"

[ceiling]
groups = ["adit-view"]
sign_in_max_s = {}

[[services]]
name = "db"
address = "127.0.0.1:1"
"#,
        log.gateways.fingerprint(),
        STANDARD.encode(log.genesis()),
        owner.head.number,
        STANDARD.encode(owner.head.hash),
        owner.sign_in_max_s,
    )
}

/// An authority that no server has.
fn authority() -> String {
    let made = rcgen::generate_simple_self_signed(["nobody".to_owned()]).unwrap();
    made.cert.pem()
}
