//! Bulk through Adit, against other programs that carry TCP through a hub, on the same hosts.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use adit_harness::process::{Launch, Process};
use adit_harness::scratch::scratch;
use adit_harness::stack::BOUND;
use adit_harness::wait;
use anyhow::{Context, Result};

use crate::figure::Figure;
use crate::scene::{SERVICE, Scene};
use crate::{at, load};

const ROUNDS: usize = 7;
const SPAN: Duration = Duration::from_millis(1500);
/// On the gateway's host.
const HUB: u16 = 9010;
/// Where the hub lets streams to the service in.
const DOOR: u16 = 9011;
/// On the client's host.
const FORWARD: u16 = 9012;

/// `bulk.vs_ssh_hub`.
pub(crate) fn peers(scene: &Scene) -> Result<Vec<Figure>> {
    let peer = ssh(scene, &find("sshd")?)?;
    Ok(vec![against("bulk.vs_ssh_hub", scene, &peer)?])
}

/// Another program that carries the service.
struct Peer {
    /// Where the client's host reaches it.
    address: SocketAddr,
    _processes: Vec<Process>,
}

fn against(name: &'static str, scene: &Scene, peer: &Peer) -> Result<Figure> {
    scene.on_client(|| {
        wait::until(name, BOUND, || {
            Ok(load::pings(peer.address, 1).ok().map(|_| ()))
        })
    })?;
    let up = |address| scene.on_client(move || load::up(address, SPAN));
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push((up(scene.through_adit)?, up(peer.address)?));
    }
    Ok(Figure::against(name, "MB/s", &rounds))
}

/// The service's host forwards a port of the hub to it (`-R`), and the client's host one of its own to that (`-L`):
/// two encrypted legs, and a hub that reads every byte. With the cipher that Adit uses.
fn ssh(scene: &Scene, sshd: &Path) -> Result<Peer> {
    let folder = scratch()?.folder("ssh")?;
    let [host_key, key] = ["host", "key"].map(|name| folder.join(name));
    for path in [&host_key, &key] {
        let keygen = Launch::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]);
        keygen.arg(path).run()?.ok()?;
    }
    fs::copy(key.with_extension("pub"), folder.join("authorized"))?;
    // Debian's sshd wants this folder, which a system with a running sshd has.
    fs::create_dir_all("/run/sshd")?;
    let network = &scene.stack.network;
    let hub = network.gateway();
    let config = folder.join("config");
    fs::write(
        &config,
        format!(
            "Port {HUB}\nListenAddress {}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nPermitRootLogin prohibit-password\nPidFile none\n",
            hub.address(),
            host_key.display(),
            folder.join("authorized").display(),
        ),
    )?;
    let server = hub.netns().launch(sshd).args(["-D", "-e", "-f"]);
    let mut server = server.arg(&config).spawn()?;
    server.until_line("Server listening", BOUND)?;
    let login = |forward: &str, ports: &str| {
        Launch::new("ssh")
            .args(["-F", "none", "-N", "-c", "aes128-gcm@openssh.com", "-i"])
            .arg(&key)
            .args(["-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-o"])
            .args(["ExitOnForwardFailure=yes", "-p", &HUB.to_string()])
            .args([forward, ports, &format!("root@{}", hub.address())])
    };
    let remote = login("-R", &format!("127.0.0.1:{DOOR}:127.0.0.1:{SERVICE}"));
    let local = login("-L", &format!("127.0.0.1:{FORWARD}:127.0.0.1:{DOOR}"));
    let remote = remote.in_netns(network.cluster().netns().path()).spawn()?;
    let local = local.in_netns(network.client().netns().path()).spawn()?;
    Ok(Peer {
        address: at("127.0.0.1", FORWARD)?,
        _processes: vec![local, remote, server],
    })
}

/// The program of this name that the environment's PATH finds.
fn find(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_program = |path: &PathBuf| {
        let metadata = fs::metadata(path);
        metadata.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(is_program)
        .with_context(|| format!("no {program} in PATH (Debian's openssh-server has it)"))
}
