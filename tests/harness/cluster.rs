//! A real control plane: etcd, kube-apiserver and kube-controller-manager in a namespace of their own.
//!
//! Objects are stored, admitted and reconciled; pods run as soon as a test has asked for the [node](Cluster::node).
//! The API server listens on port [`API_PORT`] of its namespace; other namespaces reach it, once
//! [attached](Cluster::attach), at the same `127.0.0.1` and port, so one kubeconfig serves everywhere and nothing
//! listens in theirs.

mod account;
mod api_server;
mod audit;
mod binaries;
mod certificates;
mod node;
mod parts;

pub use account::{Account, Impersonation};
pub use api_server::ApiServer;
pub use audit::{AuditEvent, AuditObject, AuditStatus, AuditUser};
pub use binaries::binary;
pub use node::{AGNHOST, BUSYBOX, Node};

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::kubectl::Kubectl;
use crate::netns::Netns;
use crate::process::Process;
use crate::scratch::scratch;
use crate::wait;
use certificates::Certificates;

/// Where the API server answers, on 127.0.0.1 of each attached namespace.
pub const API_PORT: u16 = 6443;

/// A start takes 5 s, and ten times that when the binaries have to be read from a slow disk on a busy machine.
const START_BOUND: Duration = Duration::from_mins(3);

/// A running control plane. Dropping it ends its processes.
#[derive(Debug)]
pub struct Cluster {
    // Ended in this order.
    node: OnceLock<std::result::Result<Node, String>>,
    _controllers: Process,
    apiserver: Process,
    _etcd: Process,
    folder: PathBuf,
    admin: PathBuf,
    certificates: Certificates,
    attached: AtomicU8,
    api_servers: AtomicU16,
    netns: Netns,
}

impl Cluster {
    /// Returns the one control plane that the tests of this process share, started on the first call.
    ///
    /// # Errors
    /// When it did not start; each call returns the same error then.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<std::result::Result<Cluster, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::start().map_err(|error| format!("{error:#}")));
        shared
            .as_ref()
            .map_err(|error| anyhow!("the cluster did not start: {error}"))
    }

    /// Starts a control plane of its own, for a test that breaks it.
    ///
    /// # Errors
    /// When a part has not been built, does not start, or is not ready in time; with the end of its log.
    pub fn start() -> Result<Self> {
        let folder = scratch()?.folder("cluster")?;
        let netns = Netns::create("api")?;
        let certificates = Certificates::make(&folder)?;
        let etcd = parts::etcd(&netns, &folder)?.spawn()?;
        let mut apiserver =
            parts::apiserver(&netns, &folder, &certificates, (API_PORT, parts::AUDIT_LOG))?
                .spawn()?;
        let admin = certificates.kubeconfig("admin", "kubernetes-admin", Some("system:masters"))?;
        let kubectl = Kubectl::new(&admin)?.within(&netns);
        apiserver.until("API server is ready", START_BOUND, |_| {
            Ok((kubectl.run(&["get", "--raw", "/readyz"])?.code == Some(0)).then_some(()))
        })?;
        let mut controllers = parts::controller_manager(&netns, &certificates)?.spawn()?;
        controllers.until("controllers made the default account", START_BOUND, |_| {
            let made = kubectl.run(&[
                "get",
                "serviceaccount/default",
                "configmap/kube-root-ca.crt",
            ])?;
            Ok((made.code == Some(0)).then_some(()))
        })?;
        Ok(Self {
            node: OnceLock::new(),
            _controllers: controllers,
            apiserver,
            _etcd: etcd,
            folder,
            admin,
            certificates,
            attached: AtomicU8::new(0),
            api_servers: AtomicU16::new(0),
            netns,
        })
    }

    /// The namespace of the control plane.
    #[must_use]
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// The one node of this cluster, started on the first call: tests that need no pod do not pay for it.
    ///
    /// # Errors
    /// When it did not start; each call returns the same error then.
    pub fn node(&self) -> Result<&Node> {
        let start = || {
            let kubectl = self.kubectl()?;
            Node::start(&self.netns, &self.folder, &self.certificates, kubectl)
        };
        self.node
            .get_or_init(|| start().map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow!("the node did not start: {error}"))
    }

    /// kubectl as the administrator, inside the control plane's namespace.
    ///
    /// # Errors
    /// When kubectl has not been built.
    pub fn kubectl(&self) -> Result<Kubectl> {
        Ok(Kubectl::new(&self.admin)?.within(&self.netns))
    }

    /// The administrator's kubeconfig file; its server is `https://127.0.0.1:6443`.
    #[must_use]
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.admin
    }

    /// The certificate of the authority that signed the API server's, PEM.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.certificates.authority()
    }

    /// What the API server wrote to its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.apiserver.stderr()
    }

    /// Starts a further API server of this cluster.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn another_api_server(&self) -> Result<ApiServer> {
        let number = self.api_servers.fetch_add(1, Ordering::Relaxed) + 1;
        let (port, audit_log) = (API_PORT + number, format!("audit-{number}.log"));
        let own = (port, audit_log.as_str());
        let launch = parts::apiserver(&self.netns, &self.folder, &self.certificates, own)?;
        let kubectl = self
            .kubectl()?
            .with_server(&format!("https://127.0.0.1:{port}"));
        ApiServer::start(launch, kubectl, port)
    }

    /// Makes the API server reachable in `netns` at 127.0.0.1:6443.
    ///
    /// # Errors
    /// When the kernel refuses, or 250 namespaces are attached.
    pub fn attach(&self, netns: &Netns) -> Result<()> {
        self.join(netns, "api", API_PORT)
    }

    /// Makes a further API server reachable in `netns`, at its port of 127.0.0.1.
    ///
    /// # Errors
    /// As [`Cluster::attach`].
    pub fn attach_to(&self, server: &ApiServer, netns: &Netns) -> Result<()> {
        let port = server.port();
        self.join(netns, &format!("api{port}"), port)
    }

    fn join(&self, netns: &Netns, device: &str, port: u16) -> Result<()> {
        let number = self.attached.fetch_add(1, Ordering::Relaxed);
        anyhow::ensure!(number < 250, "too many namespaces are attached");
        let [ours, theirs] = [1, 2].map(|host| Ipv4Addr::new(10, 97, number, host));
        let here = format!("attached{number}");
        self.netns.connect(
            (&here, &format!("{ours}/30")),
            netns,
            (device, &format!("{theirs}/30")),
        )?;
        netns.forward_loopback(port, SocketAddrV4::new(ours, port))
    }

    /// Makes an account that can do nothing but impersonate, and everything that it needs.
    ///
    /// # Errors
    /// When the API server refuses.
    pub fn impersonator(&self, impersonation: &Impersonation<'_>) -> Result<Account> {
        account::create(&self.kubectl()?, &self.certificates, impersonation)
    }

    /// Reads the audit log: every request that the API server has answered, in order.
    /// A request is in it before its answer has ended.
    ///
    /// # Errors
    /// When the log cannot be read or an event is not understood.
    pub fn audit(&self) -> Result<Vec<AuditEvent>> {
        let path = self.folder.join(parts::AUDIT_LOG);
        audit::parse(
            &fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?,
        )
    }

    /// Waits for an event in the audit log, and returns the first.
    ///
    /// # Errors
    /// When there is none within `bound`.
    pub fn audited(
        &self,
        what: &str,
        bound: Duration,
        matches: impl Fn(&AuditEvent) -> bool,
    ) -> Result<AuditEvent> {
        wait::until(what, bound, || Ok(self.audit()?.into_iter().find(&matches)))
    }
}
