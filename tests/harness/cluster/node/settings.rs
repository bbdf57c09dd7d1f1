//! Settings of containerd, its network plugins and the kubelet.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::super::certificates::Certificates;
use super::NAME;

/// The bridge that all pods are on.
const BRIDGE: &str = "pods";
/// The pods' addresses; the first is the bridge's own, and whatever listens on it is reachable from a pod.
const PODS: &str = "10.244.0.0/24";

/// Writes `containerd.toml`, `kubelet.yaml` and the network's settings into the node's folder.
pub(super) fn write(folder: &Path, cgroup: &str, certificates: &Certificates) -> Result<()> {
    let networks = folder.join("networks");
    fs::create_dir(&networks)?;
    for (path, text) in [
        (networks.join("pods.conflist"), network()),
        (
            folder.join("containerd.toml"),
            containerd(folder, &networks),
        ),
        (
            folder.join("kubelet.yaml"),
            kubelet(folder, cgroup, certificates),
        ),
    ] {
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn network() -> String {
    format!(
        r#"{{"cniVersion": "0.4.0", "name": "pods", "plugins": [{{
    "type": "bridge", "bridge": "{BRIDGE}", "isGateway": true, "ipMasq": true, "hairpinMode": true,
    "ipam": {{"type": "host-local", "dataDir": "/run/addresses", "ranges": [[{{"subnet": "{PODS}"}}]],
              "routes": [{{"dst": "0.0.0.0/0"}}]}}
}}]}}
"#
    )
}

/// Machines of tests may not raise a process's claim on memory: `restrict_oom_score_adj`. AppArmor profiles belong to
/// the whole machine and are left alone.
fn containerd(folder: &Path, networks: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"version = 2
root = "{folder}/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt",
]
[grpc]
address = "/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/pause:3.10.2"
restrict_oom_score_adj = true
disable_apparmor = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{networks}"
"#,
        networks = networks.display()
    )
}

/// The disk of a test machine may be nearly full, so nothing is evicted or collected for that.
fn kubelet(folder: &Path, cgroup: &str, certificates: &Certificates) -> String {
    let [authority, certificate, key] =
        ["ca.crt", "kubelet.crt", "kubelet.key"].map(|file| certificates.path(file));
    format!(
        r#"apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: {NAME}
readOnlyPort: 0
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: true}}
  x509: {{clientCAFile: {authority}}}
authorization: {{mode: Webhook}}
tlsCertFile: {certificate}
tlsPrivateKeyFile: {key}
containerRuntimeEndpoint: unix:///run/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /{cgroup}
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
oomScoreAdj: 0
resolvConf: ""
podLogsDir: {folder}/logs
volumePluginDir: {folder}/plugins
evictionHard: {{memory.available: 10Mi, nodefs.available: 10Mi, nodefs.inodesFree: 0%, imagefs.available: 10Mi}}
imageMaximumGCAge: 0s
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
"#,
        authority = authority.display(),
        certificate = certificate.display(),
        key = key.display(),
        folder = folder.display(),
    )
}
