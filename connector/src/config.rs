//! The configuration as it is written: `/etc/adit/connector.toml`, with `ADIT_SECTION__KEY` from the environment over it.
//!
//! [`Raw`] is what the file says; [`Config`] is what was checked, and the only form that the rest of the program sees.
//! Unknown keys are refused. An error names the file, the line, the key and the rule.

pub mod address;
mod checked;
mod environment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use checked::{Ceiling, Config, ConfiguredHead, Credentials, Kubernetes, Service, ServiceKind};

/// Where the configuration lies unless the command says otherwise.
pub const DEFAULT_PATH: &str = "/etc/adit/connector.toml";

/// Why the configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML of this form. The text names line, key and rule.
    #[error("{}: {text}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        text: String,
    },
    /// A value that breaks a rule.
    #[error("{}{}: {key}: {rule}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line of the key, if it stands in the file.
        line: Option<usize>,
        /// The key, with its sections.
        key: String,
        /// What it breaks.
        rule: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    gateways: Vec<String>,
    gateways_key: String,
    genesis: String,
    head: RawHead,
    cluster: String,
    key_file: PathBuf,
    #[serde(default = "default_state_dir")]
    state_dir: PathBuf,
    kubernetes: Option<RawKubernetes>,
    #[serde(default)]
    ceiling: RawCeiling,
    #[serde(default)]
    services: Vec<RawService>,
    #[serde(default)]
    audit: RawAudit,
    #[serde(default)]
    limits: RawLimits,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHead {
    number: u64,
    hash: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKubernetes {
    kubeconfig_file: Option<PathBuf>,
    context: Option<String>,
    api_server: Option<String>,
    ca_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    client_cert_file: Option<PathBuf>,
    client_key_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCeiling {
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default = "default_sign_in_s")]
    sign_in_max_s: u64,
    #[serde(default = "default_headless_s")]
    headless_max_s: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawService {
    name: String,
    address: String,
    #[serde(default)]
    kind: RawKind,
    origin: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawKind {
    #[default]
    Tcp,
    Http,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAudit {
    #[serde(default = "default_spool_bytes")]
    spool_max_bytes: u64,
    #[serde(default = "default_true")]
    survives_restart: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    #[serde(default = "default_upstream_connections")]
    upstream_connections: usize,
    #[serde(default = "default_sessions")]
    sessions: usize,
    #[serde(default = "default_streams_per_user")]
    streams_per_user: usize,
}

/// Reads and checks the configuration at `path`, with this process's environment over it.
///
/// # Errors
/// [`ConfigError`].
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(path, &text, std::env::vars())
}

/// Checks the configuration in `text`; `path` is what errors call it, `environment` what is laid over it.
///
/// # Errors
/// [`ConfigError`].
pub fn parse(
    path: &Path,
    text: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let form = |error: toml::de::Error| ConfigError::Form {
        path: path.to_owned(),
        text: error.to_string(),
    };
    let overlay = environment::overlay(environment);
    let raw: Raw = if overlay.is_empty() {
        toml::from_str(text).map_err(form)?
    } else {
        let mut table: toml::Table = toml::from_str(text).map_err(form)?;
        environment::lay_over(&mut table, overlay);
        Raw::deserialize(table).map_err(form)?
    };
    checked::check(raw).map_err(|broken| ConfigError::Value {
        path: path.to_owned(),
        line: line_of(text, &broken.key),
        key: broken.key,
        rule: broken.rule,
    })
}

/// The line on which the value of a dotted key begins.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let table = toml::de::DeTable::parse(text).ok()?;
    let mut parts = key.split('.');
    let mut value = table.get_ref().get(parts.next()?)?;
    for part in parts {
        let inner = match (value.get_ref(), part.parse::<usize>()) {
            (toml::de::DeValue::Array(items), Ok(index)) => items.get(index),
            (toml::de::DeValue::Table(table), _) => table.get(part),
            (_, _) => None,
        };
        let Some(inner) = inner else { break };
        value = inner;
    }
    let before = text.get(..value.span().start)?;
    Some(before.matches('\n').count() + 1)
}

impl Default for RawCeiling {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            sign_in_max_s: default_sign_in_s(),
            headless_max_s: default_headless_s(),
        }
    }
}

impl Default for RawAudit {
    fn default() -> Self {
        Self {
            spool_max_bytes: default_spool_bytes(),
            survives_restart: default_true(),
        }
    }
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            upstream_connections: default_upstream_connections(),
            sessions: default_sessions(),
            streams_per_user: default_streams_per_user(),
        }
    }
}

fn default_state_dir() -> PathBuf {
    "/var/lib/adit".into()
}

/// A day: longer than any sign-in of a gateway with the default settings (12 h).
fn default_sign_in_s() -> u64 {
    86_400
}

/// An hour: the life of a headless sign-in.
fn default_headless_s() -> u64 {
    3_600
}

/// 256 MiB: about half a million requests while no gateway stores them.
fn default_spool_bytes() -> u64 {
    256 << 20
}

fn default_true() -> bool {
    true
}

/// Each watch holds one; the API server has a limit of its own on requests in flight, but none on watches.
fn default_upstream_connections() -> usize {
    4_096
}

fn default_sessions() -> usize {
    4_096
}

/// Half of what the connections to the API server carry: one user does not take them from everybody else.
fn default_streams_per_user() -> usize {
    2_048
}

#[cfg(test)]
mod tests;
