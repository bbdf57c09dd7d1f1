//! The API server, through Adit and directly, from the client's host.

use std::fs;

use adit_harness::cluster::{API_PORT, Cluster};
use adit_harness::kubectl::Kubectl;
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::at;
use crate::http::{End, Kept};
use crate::scene::Scene;

/// An account of the API server that may do what the engineer may.
const ACCOUNT: &str = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: bench, namespace: default}}\n---\n\
    {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: bench}, \
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}, \
    subjects: [{kind: ServiceAccount, name: bench, namespace: default}]}";

/// Both ends.
pub(crate) struct Ends {
    /// The agent's listener.
    pub(crate) through: End,
    /// The API server's.
    pub(crate) direct: End,
}

impl Ends {
    /// Signs in at both.
    pub(crate) fn find(scene: &Scene) -> Result<Self> {
        let cluster = Cluster::shared()?;
        let kubectl = cluster.kubectl()?;
        kubectl.apply(ACCOUNT)?;
        let token = kubectl.ok(&["create", "token", "bench", "--namespace=default"])?;
        let direct = End {
            address: at("127.0.0.1", API_PORT)?,
            authority: fs::read(cluster.authority())?,
            prefix: String::new(),
            token: token.trim().to_owned(),
        };
        Ok(Self {
            through: through_adit(scene)?,
            direct,
        })
    }

    /// A connection to each, through Adit first.
    pub(crate) fn connect(&self, scene: &Scene) -> Result<(Kept, Kept)> {
        scene.on_client(|| Ok((Kept::connect(&self.through)?, Kept::connect(&self.direct)?)))
    }
}

/// kubectl as the engineer, and directly as an administrator.
pub(crate) fn kubectls(scene: &Scene) -> Result<(Kubectl, Kubectl)> {
    let through = scene.engineer.kubectl("prod")?;
    let direct = Kubectl::new(Cluster::shared()?.admin_kubeconfig())?;
    Ok((through, direct.within(scene.stack.network.client().netns())))
}

/// The agent's listener, with the token that the exec plugin gives.
fn through_adit(scene: &Scene) -> Result<End> {
    scene.engineer.kubectl("prod")?.ok(&["get", "namespaces"])?;
    let text = |value: &Value, pointer: &str| {
        let found = value.pointer(pointer).and_then(Value::as_str);
        found
            .map(ToOwned::to_owned)
            .with_context(|| format!("{pointer} in {value}"))
    };
    let config = scene
        .engineer
        .kubectl("prod")?
        .json(&["config", "view", "--raw", "--minify"])?;
    let server = text(&config, "/clusters/0/cluster/server")?;
    let authority = STANDARD.decode(text(
        &config,
        "/clusters/0/cluster/certificate-authority-data",
    )?)?;
    let credential = scene.engineer.ok(&["credential", "prod"])?;
    let token = text(&serde_json::from_str(&credential)?, "/status/token")?;
    let (address, prefix) = server
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once('/'))
        .context("the listener's address")?;
    Ok(End {
        address: address.parse()?,
        authority,
        prefix: format!("/{prefix}"),
        token,
    })
}
