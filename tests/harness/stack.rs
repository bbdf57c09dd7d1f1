//! The three binaries as people run them: a gateway, connectors and engineers' machines, each in its namespace.

mod connector;
mod engineer;
mod gateway;

pub use connector::Connector;
pub use engineer::Engineer;
pub use gateway::{Gateway, GatewayOptions};

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::cluster::{Account, Cluster, Impersonation};
use crate::netns::Network;
use crate::scratch::scratch;

/// How long a part may take to come up or to notice something, far above what it takes.
pub const BOUND: Duration = Duration::from_secs(30);

/// The policy of most tests: engineers reach the cluster as `adit-view`, and the services beside it.
pub const ENGINEERS_VIEW: &str = r#"
@id("engineers-connect")
permit (principal in Group::"engineers", action == Action::"connect", resource);
@id("engineers-view")
permit (principal in Group::"engineers", action == Action::"assume", resource == KubeGroup::"adit-view");
"#;

/// Beside [`ENGINEERS_VIEW`]: engineers are in `adit-edit` too.
pub const ENGINEERS_EDIT: &str = r#"
@id("engineers-edit")
permit (principal in Group::"engineers", action == Action::"assume", resource == KubeGroup::"adit-edit");
"#;

/// A whole deployment for one test: network, gateway, an enrolled admin, one cluster with its connector and policy.
#[derive(Debug)]
pub struct Stack {
    /// The first admin's machine, enrolled and signed in.
    pub admin: Engineer,
    /// The connector of cluster `prod`.
    pub connector: Connector,
    /// The gateway.
    pub gateway: Gateway,
    /// Hosts and router.
    pub network: Network,
    account: String,
}

impl Stack {
    /// Starts everything with software authenticators: for tests that are not about the browser.
    ///
    /// # Errors
    /// When a part does not come up, with its log.
    pub fn start() -> Result<Self> {
        Self::with_policy(ENGINEERS_VIEW)
    }

    /// Starts everything under this policy.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn with_policy(policy: &str) -> Result<Self> {
        Self::with(policy, Ok)
    }

    /// Starts everything under this policy, with a connector that `configure` has added to.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn with(
        policy: &str,
        configure: impl FnOnce(Connector) -> Result<Connector>,
    ) -> Result<Self> {
        Self::on(
            Network::new()?,
            &GatewayOptions::default(),
            policy,
            configure,
        )
    }

    /// Starts everything in this network, with a gateway of these options and all programs of its build.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn on(
        network: Network,
        options: &GatewayOptions,
        policy: &str,
        configure: impl FnOnce(Connector) -> Result<Connector>,
    ) -> Result<Self> {
        let gateway = Gateway::start(network.gateway(), options)?;
        gateway.reach(network.client())?;
        let admin = Engineer::of_build(&options.build, "admin", network.client())?;
        Self::assemble(network, gateway, admin, policy, configure)
    }

    /// Goes on from a gateway that `network`'s client host reaches: enrols `admin` as the first admin, and has the
    /// cluster added and the policy applied.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn assemble(
        network: Network,
        gateway: Gateway,
        admin: Engineer,
        policy: &str,
        configure: impl FnOnce(Connector) -> Result<Connector>,
    ) -> Result<Self> {
        admin.enrol_first(&gateway, "ann@example.org")?;
        let cluster = Cluster::shared()?;
        cluster.attach(network.cluster().netns())?;
        let account = account(cluster)?;
        let connector = Connector::add(&admin, network.cluster(), "prod")?
            .with_kubernetes(&account.kubeconfig)?;
        let connector = configure(connector)?.start()?;
        admin.apply_policy(policy)?;
        Ok(Self {
            admin,
            connector,
            gateway,
            network,
            account: account.username,
        })
    }

    /// The name of the connector's account, which impersonates; no other stack uses it.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Invites a user in group `engineers`, enrols them on a machine of their own and signs them in.
    ///
    /// # Errors
    /// When a step is refused.
    pub fn engineer(&self, name: &str) -> Result<Engineer> {
        let text = self.admin.invite(name, &["engineers"])?;
        let engineer = Engineer::of_build(self.admin.build(), name, self.network.client())?;
        engineer.enrol(&text)?;
        Ok(engineer)
    }
}

/// The account that each test's connector acts with, and the binding of its group to `view`.
fn account(cluster: &Cluster) -> Result<Account> {
    let account = format!("adit-{}", scratch()?.number());
    let made = cluster.impersonator(&Impersonation {
        account: &account,
        users: &[
            "ann@example.org",
            "ben@example.org",
            "cleo@example.org",
            "dora@example.org",
        ],
        groups: &["adit-view", "adit-edit"],
    })?;
    let kubectl = cluster.kubectl()?;
    for role in ["view", "edit"] {
        kubectl.apply(&format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {{name: adit-{role}}}, \
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}, \
             subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: Group, name: adit-{role}}}]}}"
        ))?;
    }
    Ok(made)
}

fn write(path: &Path, text: &str) -> Result<()> {
    use anyhow::Context;
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}
