//! `tests/official/run`: a slice of Kubernetes' own end-to-end suite, directly and through Adit, spec by spec.
//!
//! Both run on the same real cluster with the same kubectl: once with the certificate of the cluster's admin, once as an
//! engineer whose group is bound to `cluster-admin`.

mod report;
mod suite;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use adit_harness::cluster::Cluster;
use adit_harness::stack::{ENGINEERS_EDIT, ENGINEERS_VIEW, Stack};
use anyhow::{Context, Result};

use table::Table;

/// The suite makes namespaces, roles and custom resources.
const MAY_DO_ALL: &str = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, \
    metadata: {name: adit-all}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, \
    name: cluster-admin}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: adit-edit}]}";

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let source = arguments.next().map(PathBuf::from);
    let source = source.context("start this by tests/official/run")?;
    let focus = arguments.next();
    let slice = suite::Slice {
        source: &source,
        focus: focus.as_deref().unwrap_or(suite::FOCUS),
    };
    let stack = Stack::with_policy(&format!("{ENGINEERS_VIEW}{ENGINEERS_EDIT}"))?;
    let cluster = Cluster::shared()?;
    cluster.node()?;
    let admin = cluster.kubectl()?;
    admin.apply(MAY_DO_ALL)?;
    let ben = stack.engineer("ben@example.org")?;
    let table = Table {
        direct: slice.run("direct", admin)?,
        through: slice.run("through Adit", ben.kubectl("prod")?)?,
    };
    println!("{table}");
    Ok(if table.is_same() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
