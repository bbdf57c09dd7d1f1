//! The kubeconfig: contexts that lead to the agent's local endpoint, written into files that are the person's own.
//!
//! Touches only entries that `adit kube` wrote: a user whose exec plugin is ours and names the profile, with the cluster
//! and the context of the same name. Where no file has a context, a single new one becomes the current one. Where a text is changed is found by `yamlpath`; every other byte stays. Each edit is
//! checked before anything is written: read as YAML, the file must differ by the entries alone that were meant.

mod chosen;
mod document;
mod entries;
mod files;

use std::path::PathBuf;

use adit_proto::target::Name;
use serde_json::{Value, json};

pub use chosen::{Chosen, Context};
pub use files::{Files, Written};

use crate::profile::ProfileName;
use crate::seat::Described;
use document::Document;
use entries::Found;

/// The exec plugin's command: `adit credential --profile PROFILE CLUSTER`.
pub const CREDENTIAL_COMMAND: &str = "credential";
/// The version of the exec protocol (`k8s.io/client-go/pkg/apis/clientauthentication`).
const EXEC_VERSION: &str = "client.authentication.k8s.io/v1";

/// Why a kubeconfig is not changed.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// It is no YAML, or none of one document with a mapping.
    #[error("{file} is not a kubeconfig: {why}")]
    NotOne {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// An entry of the wanted name is somebody else's.
    #[error("{file} has an entry {name} that adit did not write")]
    Foreign {
        /// The file.
        file: PathBuf,
        /// The entry's name.
        name: String,
    },
    /// The text cannot be changed without touching something else.
    #[error("{file} is written in a way that cannot be changed without touching other entries")]
    Entangled {
        /// The file.
        file: PathBuf,
    },
    /// Another program is changing it.
    #[error("{lock} exists: another program is changing the file")]
    Locked {
        /// The lock.
        lock: PathBuf,
    },
    /// The system said no.
    #[error("cannot {operation} {file}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// There is no place for one.
    #[error("neither KUBECONFIG nor HOME is set")]
    NoHome,
}

/// Where entries that were written lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// The name of the context.
    pub name: String,
    /// The server's address.
    pub server: String,
    /// The certificate that is expected there: PEM in base64.
    pub authority: String,
    /// The exec plugin's program.
    pub program: PathBuf,
}

impl Lead {
    /// Whether it is `endpoint` where they lead, by a program that is there.
    #[must_use]
    pub fn is_of(&self, endpoint: &Described) -> bool {
        let here = format!("https://127.0.0.1:{}/k/", endpoint.port);
        self.server.starts_with(&here)
            && self.authority == encoded(&endpoint.certificate_pem)
            && self.program.is_file()
    }
}

fn encoded(pem: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(pem)
}

/// What the entries of a profile lead to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The profile.
    pub profile: ProfileName,
    /// Whether names carry the profile: there are several.
    pub several: bool,
    /// The local endpoint's port.
    pub port: u16,
    /// Its certificate in PEM.
    pub certificate_pem: String,
    /// The absolute path of this program.
    pub program: PathBuf,
}

impl Endpoint {
    /// The name of a cluster's entries.
    #[must_use]
    pub fn name(&self, cluster: &Name) -> String {
        let (profile, cluster) = (&self.profile, cluster.as_str());
        if self.several {
            format!("adit-{profile}-{cluster}")
        } else {
            format!("adit-{cluster}")
        }
    }

    fn server(&self, cluster: &str) -> String {
        format!("https://127.0.0.1:{}/k/{cluster}", self.port)
    }

    fn authority(&self) -> String {
        encoded(&self.certificate_pem)
    }

    fn command(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    fn cluster_entry(&self, name: &str, cluster: &str) -> Value {
        json!({"name": name, "cluster": {
            "certificate-authority-data": self.authority(), "server": self.server(cluster)}})
    }

    fn user_entry(&self, name: &str, cluster: &str) -> Value {
        let args = [
            CREDENTIAL_COMMAND,
            "--profile",
            self.profile.as_str(),
            cluster,
        ];
        json!({"name": name, "user": {"exec": {
            "apiVersion": EXEC_VERSION, "args": args, "command": self.command(),
            "interactiveMode": "IfAvailable"}}})
    }
}

/// What is wanted of the files.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// What the entries lead to.
    pub endpoint: &'a Endpoint,
    /// Clusters whose contexts are to be there.
    pub clusters: &'a [Name],
    /// Clusters that are allowed; contexts of others go.
    pub allowed: &'a [Name],
}

/// What was done to one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Contexts that were added.
    pub added: Vec<String>,
    /// Contexts that were there and lead to the endpoint now.
    pub kept: Vec<String>,
    /// Contexts that were removed.
    pub removed: Vec<String>,
}

/// Changes the text of one file. New contexts are added for `missing`, those of `wanted.clusters` that no file has.
/// The current context goes with its name.
pub(crate) fn change(
    text: &str,
    wanted: &Wanted<'_>,
    missing: &[Name],
) -> Result<(String, Changes), Unchanged> {
    let endpoint = wanted.endpoint;
    let mut document = Document::parse(text)?;
    let mut changes = Changes::default();
    for found in entries::of_profile(document.value(), &endpoint.profile) {
        let name = found.wanted_name(endpoint);
        let allowed = wanted.allowed.iter().any(|it| it.as_str() == found.cluster);
        if !allowed {
            found.remove(&mut document)?;
            document.choose(&found.name, "")?;
            changes.removed.push(found.name);
        } else if name == found.name {
            found.update(&mut document, endpoint)?;
            changes.kept.push(name);
        } else {
            // There is another profile since: the entries get its name and keep the namespace.
            let namespace = found.namespace(document.value());
            found.remove(&mut document)?;
            changes.removed.push(found.name.clone());
            add(&mut document, endpoint, &found.cluster, namespace)?;
            document.choose(&found.name, &name)?;
            changes.added.push(name);
        }
    }
    for cluster in missing {
        add(&mut document, endpoint, cluster.as_str(), None)?;
        changes.added.push(endpoint.name(cluster));
    }
    let text = document.finish()?;
    Ok((text, changes))
}

/// Makes the context of `cluster` the current one of a text that has none.
pub(crate) fn choose(text: &str, endpoint: &Endpoint, cluster: &Name) -> Result<String, Unchanged> {
    let mut document = Document::parse(text)?;
    document.choose("", &endpoint.name(cluster))?;
    document.finish()
}

/// Removes the entries of a profile from the text of one file.
pub(crate) fn remove(text: &str, profile: &ProfileName) -> Result<(String, Changes), Unchanged> {
    let mut document = Document::parse(text)?;
    let mut changes = Changes::default();
    for found in entries::of_profile(document.value(), profile) {
        found.remove(&mut document)?;
        document.choose(&found.name, "")?;
        changes.removed.push(found.name);
    }
    Ok((document.finish()?, changes))
}

/// The clusters of `endpoint`'s profile that a text has contexts of.
pub(crate) fn present(text: &str, endpoint: &Endpoint) -> Result<Vec<String>, Unchanged> {
    let document = Document::parse(text)?;
    let found = entries::of_profile(document.value(), &endpoint.profile);
    Ok(found
        .into_iter()
        .map(|found: Found| found.cluster)
        .collect())
}

fn add(
    document: &mut Document,
    endpoint: &Endpoint,
    cluster: &str,
    namespace: Option<String>,
) -> Result<(), Unchanged> {
    let name = if endpoint.several {
        format!("adit-{}-{cluster}", endpoint.profile)
    } else {
        format!("adit-{cluster}")
    };
    entries::check_free(document.value(), &name, cluster)?;
    let mut context = json!({"cluster": name, "user": name});
    if let (Some(namespace), Some(map)) = (namespace, context.as_object_mut()) {
        map.insert("namespace".to_owned(), namespace.into());
    }
    document.put("clusters", &endpoint.cluster_entry(&name, cluster))?;
    document.put("contexts", &json!({"name": name, "context": context}))?;
    document.put("users", &endpoint.user_entry(&name, cluster))
}

/// Why a text stays as it is; the file is added where it is known.
#[derive(Debug)]
pub(crate) enum Unchanged {
    NotOne(String),
    Foreign(String),
    Entangled,
}

impl Unchanged {
    pub(crate) fn of(self, file: PathBuf) -> KubeconfigError {
        match self {
            Self::NotOne(why) => KubeconfigError::NotOne { file, why },
            Self::Foreign(name) => KubeconfigError::Foreign { file, name },
            Self::Entangled => KubeconfigError::Entangled { file },
        }
    }
}

#[cfg(test)]
mod tests;
