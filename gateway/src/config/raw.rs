//! The configuration as it is written, before it is checked.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use toml::{Table, Value};

use crate::store::Database;

/// What a variable of the environment begins with to override the file.
const PREFIX: &str = "ADIT_";

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The text is not this configuration. The source names line, column and key.
    #[error("{} is not a configuration of a gateway", file.display())]
    Text {
        /// The file.
        file: PathBuf,
        /// Where and why.
        source: toml::de::Error,
    },
    /// A variable of the environment does not fit.
    #[error("{variable} does not fit the configuration of a gateway")]
    Variable {
        /// The variables that were set.
        variable: String,
        /// Why.
        source: toml::de::Error,
    },
    /// A value breaks a rule.
    #[error("{key}: {rule}")]
    Rule {
        /// The key.
        key: &'static str,
        /// The rule.
        rule: &'static str,
    },
    /// A life is out of bounds.
    #[error("{key}: must be {least} to {most} seconds")]
    Life {
        /// The key.
        key: &'static str,
        /// The shortest.
        least: u64,
        /// The longest.
        most: u64,
    },
}

impl ConfigError {
    pub(super) fn rule(key: &'static str, rule: &'static str) -> Self {
        Self::Rule { key, rule }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) public_url: String,
    #[serde(default = "default_listen")]
    pub(super) listen: SocketAddr,
    pub(super) advertise: Option<String>,
    #[serde(default = "default_state_dir")]
    pub(super) state_dir: PathBuf,
    #[serde(default = "default_database")]
    pub(super) database: String,
    pub(super) database_url_file: Option<PathBuf>,
    pub(super) tls: Option<RawTls>,
    /// Port 0 switches it off.
    #[serde(default = "default_metrics")]
    pub(super) metrics: SocketAddr,
    #[serde(default)]
    pub(super) lives: RawLives,
    #[serde(default)]
    pub(super) limits: RawLimits,
    #[serde(default)]
    pub(super) insecure_software_authenticator: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    pub(super) cert_file: PathBuf,
    pub(super) key_file: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_field_names,
    reason = "the keys of the file state their unit"
)]
pub(super) struct RawLives {
    pub(super) sign_in_s: u64,
    /// 0 switches it off.
    pub(super) sign_in_idle_s: u64,
    /// 0 switches it off.
    pub(super) headless_s: u64,
    pub(super) session_s: u64,
    pub(super) session_idle_s: u64,
    pub(super) lease_s: u64,
    pub(super) ceremony_s: u64,
    pub(super) touch_s: u64,
    pub(super) turn_s: u64,
}

impl Default for RawLives {
    fn default() -> Self {
        Self {
            sign_in_s: 43_200,
            sign_in_idle_s: 0,
            headless_s: 3_600,
            session_s: 28_800,
            session_idle_s: 3_600,
            lease_s: 60,
            ceremony_s: 300,
            touch_s: 60,
            turn_s: 5,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    pub(super) ceremonies: u32,
    pub(super) sessions_per_device: u32,
    pub(super) sessions_per_user: u32,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            ceremonies: 32,
            // An engineer has a handful; more is a loop.
            sessions_per_device: 128,
            sessions_per_user: 256,
        }
    }
}

fn default_listen() -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, 443).into()
}

fn default_state_dir() -> PathBuf {
    PathBuf::from("/var/lib/adit")
}

fn default_database() -> String {
    "sqlite".to_owned()
}

fn default_metrics() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 9464).into()
}

impl Raw {
    pub(super) fn read(
        path: &Path,
        text: &str,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let file = || path.to_owned();
        let mut table: Table = toml::from_str(text).map_err(|source| ConfigError::Text {
            file: file(),
            source,
        })?;
        let variables = override_with(&mut table, environment);
        if variables.is_empty() {
            // From the text, so that an error names its line.
            return toml::from_str(text).map_err(|source| ConfigError::Text {
                file: file(),
                source,
            });
        }
        table.try_into().map_err(|source| ConfigError::Variable {
            variable: variables.join(", "),
            source,
        })
    }
}

/// Puts `ADIT_KEY` and `ADIT_SECTION__KEY` into the table and returns the names of those used.
///
/// Single words that are no key of this program are other programs' (`ADIT_AUTHENTICATOR`).
fn override_with(
    table: &mut Table,
    environment: impl Iterator<Item = (String, String)>,
) -> Vec<String> {
    const KEYS: [&str; 8] = [
        "public_url",
        "listen",
        "advertise",
        "state_dir",
        "database",
        "database_url_file",
        "metrics",
        "insecure_software_authenticator",
    ];
    let mut used = Vec::new();
    for (variable, text) in environment {
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        let name = name.to_ascii_lowercase();
        let value = value_of(text);
        if let Some((section, key)) = name.split_once("__") {
            let section = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                section.insert(key.to_owned(), value);
                used.push(variable);
            }
        } else if KEYS.contains(&name.as_str()) {
            table.insert(name, value);
            used.push(variable);
        }
    }
    used
}

fn value_of(text: String) -> Value {
    match text.as_str() {
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        number => number
            .parse()
            .map_or_else(|_| Value::String(text), Value::Integer),
    }
}

/// Reads a connection URL from a file: it may hold a password.
pub(super) fn postgres(path: &Path) -> Result<Database, ConfigError> {
    let refused = |rule| ConfigError::rule("database_url_file", rule);
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        file: path.to_owned(),
        source,
    })?;
    let options = PgConnectOptions::from_str(text.trim())
        .map_err(|_| refused("must hold a URL such as postgres://adit@db.example.org/adit"))?;
    let near = options.get_socket().is_some()
        || options.get_host().starts_with('/')
        || matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1");
    let verified = matches!(options.get_ssl_mode(), PgSslMode::VerifyFull);
    if near || verified {
        return Ok(Database::Postgres(Box::new(options)));
    }
    Err(refused(
        "a server on another machine needs sslmode=verify-full in its URL",
    ))
}
