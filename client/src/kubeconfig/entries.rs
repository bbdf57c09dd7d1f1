//! Which entries are ours.

use serde_json::Value;

use super::document::Document;
use super::{CREDENTIAL_COMMAND, Endpoint, Lead, Unchanged};
use crate::profile::ProfileName;

/// The lists of a kubeconfig, each with the member that holds an entry's content.
const LISTS: [(&str, &str); 3] = [
    ("clusters", "cluster"),
    ("contexts", "context"),
    ("users", "user"),
];

/// Entries of one name that `adit kube` wrote for one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) cluster: String,
}

/// The entries that were written for `profile`, by their users.
pub(super) fn of_profile(value: &Value, profile: &ProfileName) -> Vec<Found> {
    let users = list(value, "users");
    let ours = users.iter().filter_map(|user| {
        let (of, cluster) = written_for(user)?;
        let name = name_of(user)?.to_owned();
        (of == profile.as_str()).then_some(Found { name, cluster })
    });
    ours.collect()
}

/// Where the entries that were written for `profile` lead.
pub(super) fn leads(value: &Value, profile: &ProfileName) -> Vec<Lead> {
    let lead = |found: Found| {
        let (_, cluster) = find(value, "clusters", &found.name)?;
        let (_, user) = find(value, "users", &found.name)?;
        let text = |entry: &Value, pointer| Some(entry.pointer(pointer)?.as_str()?.to_owned());
        Some(Lead {
            server: text(cluster, "/cluster/server")?,
            authority: text(cluster, "/cluster/certificate-authority-data")?,
            program: text(user, "/user/exec/command")?.into(),
            name: found.name,
        })
    };
    let ours = of_profile(value, profile).into_iter();
    ours.filter_map(lead).collect()
}

/// Profile and cluster that a user's exec plugin names, if it is ours.
pub(super) fn written_for(user: &Value) -> Option<(String, String)> {
    let args = user.pointer("/user/exec/args")?.as_array()?;
    let args: Vec<&str> = args.iter().filter_map(Value::as_str).collect();
    match args.as_slice() {
        [CREDENTIAL_COMMAND, "--profile", profile, cluster] => {
            Some(((*profile).to_owned(), (*cluster).to_owned()))
        }
        _ => None,
    }
}

/// Refuses if an entry of this name is there.
pub(super) fn check_free(value: &Value, name: &str, cluster: &str) -> Result<(), Unchanged> {
    for (key, _) in LISTS {
        let taken = find(value, key, name);
        if taken.is_some_and(|(_, entry)| !is_ours(key, entry, name, cluster)) {
            return Err(Unchanged::Foreign(name.to_owned()));
        }
    }
    Ok(())
}

/// Whether an entry of the name `name` has the form that we write for `cluster`.
fn is_ours(key: &str, entry: &Value, name: &str, cluster: &str) -> bool {
    let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str);
    match key {
        "clusters" => text("/cluster/server").is_some_and(|server| leads_to(server, cluster)),
        "contexts" => text("/context/cluster") == Some(name) && text("/context/user") == Some(name),
        _ => written_for(entry).is_some_and(|(_, of)| of == cluster),
    }
}

fn leads_to(server: &str, cluster: &str) -> bool {
    let rest = server.strip_prefix("https://127.0.0.1:");
    let port = rest.and_then(|rest| rest.strip_suffix(&format!("/k/{cluster}")));
    port.is_some_and(|port| port.parse::<u16>().is_ok())
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let entries = value.get(key).and_then(Value::as_array);
    entries.map_or(&[], Vec::as_slice)
}

fn name_of(entry: &Value) -> Option<&str> {
    entry.get("name")?.as_str()
}

pub(super) fn find<'a>(value: &'a Value, key: &str, name: &str) -> Option<(usize, &'a Value)> {
    let mut entries = list(value, key).iter().enumerate();
    entries.find(|(_, entry)| name_of(entry) == Some(name))
}

impl Found {
    /// The name that the entries should have.
    pub(super) fn wanted_name(&self, endpoint: &Endpoint) -> String {
        let (profile, cluster) = (&endpoint.profile, &self.cluster);
        if endpoint.several {
            format!("adit-{profile}-{cluster}")
        } else {
            format!("adit-{cluster}")
        }
    }

    /// The namespace that the person chose.
    pub(super) fn namespace(&self, value: &Value) -> Option<String> {
        let (_, context) = find(value, "contexts", &self.name)?;
        let namespace = context.pointer("/context/namespace")?.as_str()?;
        Some(namespace.to_owned())
    }

    /// Removes the entries; one of the same name that is not ours stays.
    pub(super) fn remove(&self, document: &mut Document) -> Result<(), Unchanged> {
        for (key, _) in LISTS {
            let found = find(document.value(), key, &self.name);
            if let Some((index, entry)) = found
                && is_ours(key, entry, &self.name, &self.cluster)
            {
                document.remove(key, index)?;
            }
        }
        Ok(())
    }

    /// Leads the entries to `endpoint`. What is missing is added, what the person added stays.
    pub(super) fn update(
        &self,
        document: &mut Document,
        endpoint: &Endpoint,
    ) -> Result<(), Unchanged> {
        check_free(document.value(), &self.name, &self.cluster)?;
        let wanted = [
            (
                "clusters",
                endpoint.cluster_entry(&self.name, &self.cluster),
            ),
            (
                "contexts",
                serde_json::json!({"name": self.name, "context": {"cluster": self.name, "user": self.name}}),
            ),
            ("users", endpoint.user_entry(&self.name, &self.cluster)),
        ];
        let fields: [(&str, &[&str]); 3] = [
            ("clusters", &["cluster", "server"]),
            ("clusters", &["cluster", "certificate-authority-data"]),
            ("users", &["user", "exec", "command"]),
        ];
        for (key, entry) in &wanted {
            if find(document.value(), key, &self.name).is_none() {
                document.put(key, entry)?;
            }
        }
        for (key, path) in fields {
            let entry = wanted
                .iter()
                .find(|(of, _)| *of == key)
                .map(|(_, entry)| entry);
            let text = entry.and_then(|entry| entry.pointer(&format!("/{}", path.join("/"))));
            let text = text.and_then(Value::as_str).unwrap_or_default();
            if let Some((index, _)) = find(document.value(), key, &self.name) {
                document.set(key, index, path, text)?;
            }
        }
        Ok(())
    }
}
