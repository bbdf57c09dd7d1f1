//! The connector's account: it can impersonate the users and groups that are named, and nothing else.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use parking_lot::Mutex;

use super::certificates::Certificates;
use crate::kubectl::Kubectl;

/// The namespace that the account lives in.
const NAMESPACE: &str = "adit-system";

/// One account is made at a time.
static MAKING: Mutex<()> = Mutex::new(());

/// Whom an account may impersonate.
#[derive(Debug, Clone, Copy)]
pub struct Impersonation<'a> {
    /// The account's name; one per test keeps tests apart.
    pub account: &'a str,
    /// Users by name.
    pub users: &'a [&'a str],
    /// Groups by name.
    pub groups: &'a [&'a str],
}

/// A service account and its credential.
#[derive(Debug, Clone)]
pub struct Account {
    /// The name under which the API server's audit log has it.
    pub username: String,
    /// A kubeconfig for `https://127.0.0.1:6443`.
    pub kubeconfig: PathBuf,
    /// The token, alone in a file.
    pub token: PathBuf,
}

/// Makes the account, its role, and a token for a day.
pub(super) fn create(
    kubectl: &Kubectl,
    certificates: &Certificates,
    impersonation: &Impersonation<'_>,
) -> Result<Account> {
    let name = impersonation.account;
    // All name the same namespace, and two that find it missing would both make it.
    let alone = MAKING.lock();
    kubectl.apply(&manifest(impersonation))?;
    drop(alone);
    let token = kubectl.ok(&[
        "create",
        "token",
        name,
        "--namespace",
        NAMESPACE,
        "--duration=24h",
    ])?;
    let path = certificates.path(&format!("{name}.token"));
    fs::write(&path, token.trim())?;
    Ok(Account {
        username: format!("system:serviceaccount:{NAMESPACE}:{name}"),
        kubeconfig: certificates.token_kubeconfig(name, &path)?,
        token: path,
    })
}

/// The two extra keys are named as sub-resources of `userextras`; their values are ids, so any value is allowed.
fn manifest(impersonation: &Impersonation<'_>) -> String {
    let Impersonation {
        account,
        users,
        groups,
    } = impersonation;
    // A JSON list is a YAML list.
    let list = |names: &[&str]| serde_json::Value::from(names.to_vec()).to_string();
    format!(
        r#"apiVersion: v1
kind: Namespace
metadata: {{name: {NAMESPACE}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: {account}, namespace: {NAMESPACE}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {account}}}
rules:
- apiGroups: [""]
  resources: [users]
  verbs: [impersonate]
  resourceNames: {users}
- apiGroups: [""]
  resources: [groups]
  verbs: [impersonate]
  resourceNames: {groups}
- apiGroups: [authentication.k8s.io]
  resources: [userextras/adit.internal/session, userextras/adit.internal/device]
  verbs: [impersonate]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {account}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {account}}}
subjects:
- {{kind: ServiceAccount, name: {account}, namespace: {NAMESPACE}}}
"#,
        users = list(users),
        groups = list(groups),
    )
}
