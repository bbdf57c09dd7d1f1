//! A real node: scheduler, containerd and kubelet, on which pods run as real containers.
//!
//! The node's programs see mounts and processes of their own (`node/machine.sh`), so that all of it ends at once with
//! the first of them, and nothing that they mount or write to fixed places reaches the machine. What is left then,
//! empty control groups that carry the owner's mark in their name, goes with the node or with the owner.
//! There is no kube-proxy and no cluster DNS: of all services only `10.96.0.1:443`, the API server, answers a pod.
//! Images are those of `tests/cluster/images`; nothing is pulled.

mod settings;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

use super::binaries::binary;
use super::certificates::Certificates;
use super::{API_PORT, parts};
use crate::kubectl::Kubectl;
use crate::netns::Netns;
use crate::process::Process;
use crate::scratch::scratch;
use crate::wait;

/// Kubernetes' own test server: `netexec`, `echo` and others by their names, with busybox beside it.
pub const AGNHOST: &str = "localhost/agnhost:2.66.1";
/// A shell and small tools, `tar` among them.
pub const BUSYBOX: &str = "localhost/busybox:1.37.0-2";

/// The node's name, and the address under which the API server reaches its kubelet. On a loopback address all but
/// the proxy of nodes would work: the API server does not proxy to those.
pub(super) const NAME: &str = "10.98.0.1";
const MACHINE: &str = include_str!("node/machine.sh");
/// A start takes 10 s, and several times that when the binaries have to be read from a slow disk on a busy machine.
const START_BOUND: Duration = Duration::from_mins(3);
/// A pod starts in two seconds on a quiet machine.
const POD_BOUND: Duration = Duration::from_mins(1);
/// The kernel takes a moment to end the processes of a control group.
const CGROUP_BOUND: Duration = Duration::from_secs(10);

/// A running node. Dropping it ends whatever runs on it.
#[derive(Debug)]
pub struct Node {
    machine: Process,
    _scheduler: Process,
    cgroup: String,
    kubectl: Kubectl,
}

impl Node {
    /// Starts a node in the namespace of the control plane and waits until pods can run on it.
    pub(super) fn start(
        netns: &Netns,
        folder: &Path,
        certificates: &Certificates,
        kubectl: Kubectl,
    ) -> Result<Self> {
        let folder = folder.join("node");
        fs::create_dir(&folder)?;
        let cgroup = format!("adit-{}-{}", scratch()?.owner(), scratch()?.number());
        let user = format!("system:node:{NAME}");
        let kubeconfig = certificates.kubeconfig("kubelet", &user, Some("system:nodes"))?;
        fs::copy(kubeconfig, folder.join("kubeconfig"))?;
        settings::write(&folder, &cgroup, certificates)?;
        netns.ip(["address", "add", NAME, "dev", "lo"])?;
        reach_api_server(netns)?;
        let scheduler = parts::scheduler(netns, certificates)?.spawn()?;
        let machine = netns
            .launch("unshare")
            .named("node")
            .args(["--mount", "--mount-proc", "--pid", "--kill-child"])
            .args(["--", "sh", "-c", MACHINE, "machine.sh"])
            .args([&folder, Path::new(&cgroup)])
            .args([binary("images.tar")?, binary("kubelet")?])
            .arg(NAME)
            .spawn()?;
        let mut node = Self {
            machine,
            _scheduler: scheduler,
            cgroup,
            kubectl,
        };
        node.machine.until_line("images are there", START_BOUND)?;
        let ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        let kubectl = node.kubectl.clone();
        node.machine.until("node is ready", START_BOUND, |_| {
            let status = kubectl.run(&["get", "node", NAME, "-o", ready])?;
            Ok((status.stdout == "True").then_some(()))
        })?;
        Ok(node)
    }

    /// Runs a pod in namespace `default` that serves HTTP on port 8080 (agnhost's `netexec`: `/hostname`, `/echo`,
    /// `/clientip` and more), in a container named `main`, and waits until it answers.
    ///
    /// # Errors
    /// When it is refused or not ready in time; with what is known of it.
    pub fn run_server(&self, name: &str) -> Result<()> {
        let probe = json!({"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1});
        self.apply_pod(&json!({
            "metadata": {"name": name},
            "spec": {"containers": [
                {"name": "main", "image": AGNHOST, "args": ["netexec"], "readinessProbe": probe},
            ]},
        }))?;
        self.wait_ready("default", name)
    }

    /// Runs a pod in namespace `default` whose one container, named `main`, has image [`AGNHOST`] and these arguments
    /// (`pause` only waits), and waits until it is ready: its program runs, but may not have written or listened yet.
    ///
    /// # Errors
    /// When it is refused or not ready in time; with what is known of it.
    pub fn run_pod(&self, name: &str, args: &[&str]) -> Result<()> {
        self.apply_pod(&json!({
            "metadata": {"name": name},
            "spec": {"containers": [{"name": "main", "image": AGNHOST, "args": args}]},
        }))?;
        self.wait_ready("default", name)
    }

    /// Applies a pod's manifest without waiting for it. What a test's pod needs is added where it is not said: that
    /// no image is pulled, and that the pod ends within a second when it is asked to.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn apply_pod(&self, pod: &Value) -> Result<()> {
        let mut pod = pod.clone();
        let object = pod.as_object_mut().context("a pod is an object")?;
        object.entry("apiVersion").or_insert_with(|| json!("v1"));
        object.entry("kind").or_insert_with(|| json!("Pod"));
        let spec = object.get_mut("spec").and_then(Value::as_object_mut);
        let spec = spec.context("a pod has a spec")?;
        spec.entry("terminationGracePeriodSeconds")
            .or_insert_with(|| json!(1));
        let containers = spec.get_mut("containers").and_then(Value::as_array_mut);
        for container in containers.context("a pod has containers")? {
            let container = container.as_object_mut().context("a container")?;
            container
                .entry("imagePullPolicy")
                .or_insert_with(|| json!("Never"));
        }
        self.kubectl.apply(&pod.to_string())?;
        Ok(())
    }

    /// Waits until a pod is ready.
    ///
    /// # Errors
    /// When it is not within a minute; with what is known of it.
    pub fn wait_ready(&self, namespace: &str, name: &str) -> Result<()> {
        self.wait_for("condition=Ready", namespace, name)
    }

    /// Waits until a pod's containers have ended, and returns the exit code of the first.
    ///
    /// # Errors
    /// When they have not within a minute; with what is known of the pod.
    pub fn wait_ended(&self, namespace: &str, name: &str) -> Result<i64> {
        let ended = "jsonpath={.status.containerStatuses[0].state.terminated}";
        self.wait_for(ended, namespace, name)?;
        let pod = self
            .kubectl
            .json(&["get", "pod", name, "--namespace", namespace])?;
        pod.pointer("/status/containerStatuses/0/state/terminated/exitCode")
            .and_then(Value::as_i64)
            .with_context(|| format!("exit code of {pod}"))
    }

    /// Deletes a pod and waits until it is gone.
    ///
    /// # Errors
    /// When there is no such pod, or it does not end.
    pub fn delete_pod(&self, namespace: &str, name: &str) -> Result<()> {
        self.kubectl
            .ok(&["delete", "pod", name, "--namespace", namespace])?;
        Ok(())
    }

    /// What containerd and the kubelet wrote to their logs so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.machine.stderr()
    }

    fn wait_for(&self, what: &str, namespace: &str, name: &str) -> Result<()> {
        let pod = format!("pod/{name}");
        let on = ["--namespace", namespace];
        let timeout = format!("--timeout={}s", POD_BOUND.as_secs());
        let waited = self
            .kubectl
            .run(&[&["wait", &pod, "--for", what, &timeout], &on[..]].concat())?;
        if waited.code == Some(0) {
            return Ok(());
        }
        let described = self
            .kubectl
            .run(&[&["describe", &pod], &on[..]].concat())?
            .stdout;
        Err(anyhow!("{}\n{described}", waited.stderr))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // What fails here the reaper does at the end of the tests.
        let _ = self.machine.kill();
        let _ = wait::until("end of the control groups", CGROUP_BOUND, || {
            Ok(cgroups(&self.cgroup)
                .iter()
                .all(|folder| remove(folder))
                .then_some(()))
        });
    }
}

/// Pods find the API server at the first address of the services' range.
fn reach_api_server(netns: &Netns) -> Result<()> {
    let rule = format!(
        "-t nat -A PREROUTING -d 10.96.0.1 -p tcp --dport 443 -j REDIRECT --to-ports {API_PORT}"
    );
    netns.iptables(rule.split(' '))?;
    Ok(())
}

/// The folders of a control group: one, or one in each hierarchy.
fn cgroups(name: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten();
    hierarchies
        .map(|entry| entry.path().join(name))
        .chain([root.join(name)])
        .filter(|path| path.exists())
        .collect()
}

/// Removes a control group and those below it; false while a process is in one.
fn remove(group: &Path) -> bool {
    let below = fs::read_dir(group).into_iter().flatten().flatten();
    for entry in below {
        if entry.path().is_dir() && !remove(&entry.path()) {
            return false;
        }
    }
    fs::remove_dir(group).is_ok() || !group.exists()
}
