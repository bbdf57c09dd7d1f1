//! `adit kube [CLUSTER…]`: contexts in the kubeconfig.

use std::path::PathBuf;

use adit_proto::Reason;
use adit_proto::target::Name;
use clap::Args;
use serde_json::{Value, json};

use super::{has_terminal, output};
use crate::agent::client::on_stderr;
use crate::browser::Caller;
use crate::cli::Global;
use crate::exit::{Exit, Failure};
use crate::kubeconfig::{Endpoint, Files, KubeconfigError, Wanted, Written};
use crate::paths::Paths;
use crate::profile::{self, ProfileName};
use crate::seat::Described;
use crate::statement::causes;

/// Which contexts, and where.
#[derive(Debug, Args)]
pub struct KubeArgs {
    /// The clusters; all that you may use if none is named
    clusters: Vec<Name>,
    /// The file, instead of those of KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Choose another port for the local endpoint first
    #[arg(long)]
    move_port: bool,
}

impl KubeArgs {
    /// Writes the contexts.
    ///
    /// # Errors
    /// A failure that says what to do; then no file of which it is said was changed.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let paths = global.paths()?;
        let name = global.chosen_profile()?;
        if self.move_port {
            crate::agent::ask(&paths, &name, "move-listener", Value::Null).await?;
        }
        let written = write(&paths, &name, &self.clusters, self.kubeconfig).await?;
        if global.json {
            let files: Vec<_> = written
                .iter()
                .map(|it| {
                    json!({"file": it.file, "added": it.changes.added,
                        "kept": it.changes.kept, "removed": it.changes.removed})
                })
                .collect();
            return output::print_json(&json!({ "files": files }));
        }
        say(&written);
        Ok(())
    }
}

/// Says what was done.
pub(super) fn say(written: &[Written]) {
    if written.is_empty() {
        on_stderr("There is no cluster that you may use, so no context was written.");
    }
    say_changes(written);
}

/// Says what was done to each file.
pub(super) fn say_changes(written: &[Written]) {
    for Written { file, changes } in written {
        let lists = [
            ("added", &changes.added),
            ("kept", &changes.kept),
            ("removed", &changes.removed),
        ];
        for (what, names) in lists {
            if !names.is_empty() {
                on_stderr(&format!("{}: {what} {}", file.display(), names.join(", ")));
            }
        }
    }
}

/// Writes contexts of `asked`, or of all clusters, into `file`, or where kubectl looks.
pub(super) async fn write(
    paths: &Paths,
    name: &ProfileName,
    asked: &[Name],
    file: Option<PathBuf>,
) -> Result<Vec<Written>, Failure> {
    let caller = Caller::this_process(has_terminal());
    let call = json!({"method": "GET", "path": "/v1/clusters", "caller": caller});
    let answer = crate::agent::ask(paths, name, "api", call).await?;
    let rows = answer.get("clusters").and_then(Value::as_array);
    let names = rows
        .into_iter()
        .flatten()
        .filter_map(|row| row.get("name")?.as_str());
    let allowed: Vec<Name> = names.filter_map(|name| name.parse().ok()).collect();
    if let Some(other) = asked.iter().find(|cluster| !allowed.contains(cluster)) {
        let text = format!("there is no cluster {other} that you may use");
        return Err(Failure::of(Reason::UnknownOrForbidden, text));
    }
    let described = crate::agent::ask(paths, name, "listener", Value::Null).await?;
    let described: Described = serde_json::from_value(described).map_err(Failure::new)?;
    let endpoint = Endpoint {
        profile: name.clone(),
        several: profile::list(paths).map_err(Failure::new)?.len() > 1,
        port: described.port,
        certificate_pem: described.certificate_pem,
        program: std::env::current_exe()
            .map_err(|error| Failure::new(format!("this program has no path: {error}")))?,
    };
    let clusters = if asked.is_empty() { &allowed } else { asked };
    let wanted = Wanted {
        endpoint: &endpoint,
        clusters,
        allowed: &allowed,
    };
    let files = Files::find(file, |name| std::env::var_os(name)).map_err(refused)?;
    files.bring_to(&wanted).map_err(refused)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn refused(error: KubeconfigError) -> Failure {
    let repair = match &error {
        KubeconfigError::Foreign { .. } => {
            "rename that entry, or name another file with --kubeconfig"
        }
        KubeconfigError::Locked { .. } => {
            "try again; remove the lock if no program runs that made it"
        }
        KubeconfigError::NotOne { .. }
        | KubeconfigError::Entangled { .. }
        | KubeconfigError::Io { .. }
        | KubeconfigError::NoHome => "name another file with --kubeconfig",
    };
    Failure::new(causes(&error))
        .exiting(Exit::Failed)
        .repaired_by(repair)
}
