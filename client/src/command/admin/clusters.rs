//! `adit admin clusters`.

use std::fs;
use std::path::{Path, PathBuf};

use adit_proto::target::Name;
use adit_transport::key::{DeviceSigner, PrivateKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use super::{list, propose, revoke};
use crate::agent::client::on_stderr;
use crate::agent::protocol::ClusterKeyCall;
use crate::cli::Global;
use crate::command::output;
use crate::exit::{Exit, Failure};
use crate::profile::{self, Profile};
use crate::statement::{MadeStatement, Named, Proposal, causes};

/// What to do with clusters.
#[derive(Debug, Subcommand)]
pub enum ClustersCommand {
    /// Admit one: makes its key and writes what its connector is installed with
    Add(AddArgs),
    /// List them
    List,
    /// Print the public key of one in PEM, by the roster as this machine verified it
    Key {
        /// Its name
        cluster: Name,
    },
    /// End trust in one
    Revoke {
        /// Name or id
        cluster: String,
        /// Shown to who is refused
        #[arg(long)]
        reason: String,
    },
}

/// Which cluster, and where its files go.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Its name: lower-case letters, digits and inner hyphens
    name: Name,
    /// The directory for connector.toml and cluster.key
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print a Kubernetes manifest of both on stdout; it holds the key
    #[arg(long)]
    manifest: bool,
}

impl ClustersCommand {
    /// Does it.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let columns = [
            ("NAME", "/name"),
            ("CONNECTORS", "/connectors"),
            ("VERSION", "/version"),
            ("REVOKED", "/revoked"),
            ("KEY", "/key"),
        ];
        match self {
            Self::Add(args) => args.run(global).await,
            Self::List => list(global, "/v1/admin/clusters", "clusters", &columns).await,
            Self::Key { cluster } => print_key(global, &cluster).await,
            Self::Revoke { cluster, reason } => {
                revoke(global, Named::Cluster(cluster), reason).await
            }
        }
    }
}

impl AddArgs {
    async fn run(self, global: &Global) -> Result<(), Failure> {
        let paths = global.paths()?;
        let name = profile::choose(&paths, global.profile.as_ref()).map_err(Failure::new)?;
        let profile = Profile::load(&paths, &name).map_err(Failure::new)?;
        fs::create_dir_all(&self.out).map_err(|error| failed(&self.out, &error))?;
        let out = fs::canonicalize(&self.out).map_err(|error| failed(&self.out, &error))?;
        let (key_file, config_file) = (out.join("cluster.key"), out.join("connector.toml"));
        // Written before it is admitted: a key that the roster names is never lost.
        let key = PrivateKey::generate(&SystemRandom::new())
            .map_err(|error| Failure::new(causes(&error)))?;
        key.store(&key_file).map_err(|error| {
            Failure::new(causes(&error))
                .exiting(Exit::Usage)
                .repaired_by("name an empty directory with --out; a key is never overwritten")
        })?;
        let proposal = Proposal::AddCluster {
            name: self.name.as_str().to_owned(),
            key: STANDARD.encode(key.public_key().spki()),
        };
        let made = match propose(global, proposal).await {
            Ok(made) => made,
            Err(failure) => {
                // Nothing names it, so that the command can be repeated.
                let _ = fs::remove_file(&key_file);
                return Err(failure);
            }
        };
        let head = made.statements.last();
        let head = head.ok_or_else(|| Failure::new("the agent made no statement"))?;
        let text = config(&profile, &self.name, head, "/etc/adit/cluster.key");
        let local = config(&profile, &self.name, head, &key_file.to_string_lossy());
        fs::write(&config_file, local).map_err(|error| failed(&config_file, &error))?;
        on_stderr(&format!(
            "Cluster {} is in the roster. Install its connector with {} and {}.",
            self.name,
            config_file.display(),
            key_file.display()
        ));
        if self.manifest {
            return output::print(&manifest(&text, &STANDARD.encode(key.pkcs8().as_slice())));
        }
        if global.json {
            return output::print_json(&json!({
                "cluster": self.name.as_str(),
                "statements": made.statements,
                "config": config_file,
                "key_file": key_file,
            }));
        }
        Ok(())
    }
}

async fn print_key(global: &Global, cluster: &Name) -> Result<(), Failure> {
    let call = json!(ClusterKeyCall {
        cluster: cluster.to_string(),
    });
    let answer = global.ask("cluster-key", call).await?;
    let spki = answer.get("spki").and_then(Value::as_str);
    let pem = pem(spki.unwrap_or_default());
    if global.json {
        return output::print_json(&json!({"cluster": cluster.as_str(), "public_key": pem}));
    }
    output::print(pem.trim_end())
}

/// A public key in PEM (RFC 7468, section 13), of its base64.
fn pem(spki: &str) -> String {
    let mut text = "-----BEGIN PUBLIC KEY-----\n".to_owned();
    for (at, letter) in spki.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text + "\n-----END PUBLIC KEY-----\n"
}

/// `connector.toml`: who the gateways are and from where on the log counts. The ceiling is the cluster's owner's to add.
fn config(profile: &Profile, name: &Name, head: &MadeStatement, key_file: &str) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    format!(
        "gateways = [{}]\ngateways_key = {}\ngenesis = {}\nhead = {{ number = {}, hash = {} }}\ncluster = {}\nkey_file = {}\n",
        quoted(&profile.gateway.to_string()),
        quoted(&profile.gateways_keys.0.to_string()),
        quoted(&STANDARD.encode(profile.genesis)),
        head.number,
        quoted(&head.hash),
        quoted(name.as_str()),
        quoted(key_file),
    )
}

/// A Secret with the key and a ConfigMap with the configuration.
fn manifest(config: &str, key: &str) -> String {
    let config = config
        .lines()
        .fold(String::new(), |text, line| text + "    " + line + "\n");
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: adit-cluster-key\n  namespace: adit\ndata:\n  cluster.key: {key}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: adit-connector\n  namespace: adit\ndata:\n  connector.toml: |\n{config}"
    )
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::tests::profile;

    #[test]
    fn a_public_key_in_pem_has_lines_of_64_letters() {
        let text = pem(&"a".repeat(124));
        let lines: Vec<_> = text.lines().map(str::len).collect();
        assert_eq!(lines, [26, 64, 60, 24]);
    }

    #[test]
    fn the_configuration_is_toml_that_tables_may_follow() {
        let head = MadeStatement {
            number: 7,
            kind: "cluster".to_owned(),
            hash: STANDARD.encode([8; 32]),
        };
        let name = "prod".parse().unwrap();
        let text = config(&profile(), &name, &head, "/etc/\"adit\"/cluster.key");
        let read: toml::Table =
            toml::from_str(&format!("{text}\n[ceiling]\ngroups = []\n")).unwrap();
        assert_eq!(read["cluster"].as_str(), Some("prod"));
        assert_eq!(read["head"]["number"].as_integer(), Some(7));
        assert_eq!(read["key_file"].as_str(), Some("/etc/\"adit\"/cluster.key"));
        assert_eq!(read["gateways"][0].as_str(), Some("gw.example.org:443"));
        let manifest = manifest(&text, "a2V5");
        assert!(manifest.contains("  cluster.key: a2V5\n"));
    }
}
