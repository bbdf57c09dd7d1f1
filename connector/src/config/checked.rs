//! The configuration after its check.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use adit_policy::KubeGroupName;
use adit_policy::web::Origin;
use adit_proto::key::Fingerprint;
use adit_proto::label::Hash;
use adit_proto::target::Name;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::address::HostPort;
use super::{Raw, RawKind, RawKubernetes, RawService};

/// What a connector works by. Only [`super::parse`] makes one.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the gateways are, at least one.
    pub gateways: Vec<HostPort>,
    /// The hash of the gateways' key.
    pub gateways_key: Fingerprint,
    /// The hash of the roster's first statement.
    pub genesis: Hash,
    /// The newest statement when this connector was installed: nothing older is accepted.
    pub head: ConfiguredHead,
    /// The cluster's name in the roster.
    pub cluster: Name,
    /// The cluster's private key.
    pub key_file: PathBuf,
    /// Where roster and audit log are kept.
    pub state_dir: PathBuf,
    /// The API server, if this connector serves one.
    pub kubernetes: Option<Kubernetes>,
    /// What the cluster's owner allows at most.
    pub ceiling: Ceiling,
    /// Services beside the API server.
    pub services: Vec<Service>,
    /// What the audit log may take on the disk while no gateway stores it, in bytes.
    pub spool_max_bytes: u64,
    /// Whether the state directory is a volume that outlives the process.
    pub survives_restart: bool,
    /// How many connections to the API server may be open.
    pub upstream_connections: usize,
    /// How many sessions may be open.
    pub sessions: usize,
    /// How many streams one user may have open.
    pub streams_per_user: usize,
}

/// A position in the roster that is trusted because an admin wrote it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfiguredHead {
    /// The statement's number.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
}

/// Where the API server is and how to prove who asks.
#[derive(Clone, Debug)]
pub enum Kubernetes {
    /// A context of a kubeconfig file.
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// The context; the file's current one if there is none.
        context: Option<String>,
    },
    /// Everything said in the configuration.
    Direct {
        /// `https://host:port`.
        server: String,
        /// PEM of the authorities that may sign the server's certificate.
        ca_file: PathBuf,
        /// Who asks.
        credentials: Credentials,
    },
}

/// How the connector proves to the API server who it is.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A service account's token, in a file that is replaced as it ages.
    Token {
        /// The file.
        file: PathBuf,
    },
    /// A client certificate.
    Certificate {
        /// PEM of the chain.
        cert_file: PathBuf,
        /// PEM of the key.
        key_file: PathBuf,
    },
}

/// What the cluster's owner allows at most, whatever roster, policy and gateway say.
#[derive(Clone, Debug)]
pub struct Ceiling {
    /// Kubernetes groups that may be assumed.
    pub groups: Vec<KubeGroupName>,
    /// How old a sign-in may be.
    pub sign_in: Duration,
    /// How old a headless sign-in may be.
    pub headless: Duration,
}

/// A service beside the API server.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name in targets.
    pub name: Name,
    /// Where it is.
    pub address: HostPort,
    /// What is carried to it.
    pub kind: ServiceKind,
    /// What policy may look at.
    pub labels: BTreeMap<String, String>,
}

/// What is carried to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    /// Raw bytes.
    Tcp,
    /// Requests of browsers for a web application.
    Http {
        /// What the application knows itself by.
        origin: Origin,
    },
}

impl ServiceKind {
    /// The kind as configuration and inventory name it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http { .. } => "http",
        }
    }
}

/// A value that breaks a rule.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) key: String,
    pub(super) rule: String,
}

fn broken(key: impl Into<String>, rule: impl std::fmt::Display) -> Broken {
    Broken {
        key: key.into(),
        rule: rule.to_string(),
    }
}

pub(super) fn check(raw: Raw) -> Result<Config, Broken> {
    let gateways = gateways(&raw.gateways)?;
    let head = ConfiguredHead {
        number: raw.head.number,
        hash: hash("head.hash", &raw.head.hash)?,
    };
    if head.number == 0 {
        return Err(broken("head.number", "statements are numbered from 1"));
    }
    let kubernetes = raw.kubernetes.map(kubernetes).transpose()?;
    let services = services(raw.services)?;
    if kubernetes.is_none() && services.is_empty() {
        return Err(broken(
            "kubernetes",
            "neither an API server nor a service to serve",
        ));
    }
    if raw.audit.spool_max_bytes < MIN_SPOOL {
        return Err(broken("audit.spool_max_bytes", "at least 16 MiB"));
    }
    let limits = [
        (
            "limits.upstream_connections",
            raw.limits.upstream_connections,
        ),
        ("limits.sessions", raw.limits.sessions),
        ("limits.streams_per_user", raw.limits.streams_per_user),
    ];
    if let Some((key, _)) = limits.iter().find(|(_, limit)| !LIMITS.contains(limit)) {
        return Err(broken(*key, "1 to 65536"));
    }
    Ok(Config {
        gateways,
        gateways_key: raw
            .gateways_key
            .parse()
            .map_err(|_| broken("gateways_key", "SHA256: and base64 of a key's hash"))?,
        genesis: hash("genesis", &raw.genesis)?,
        head,
        cluster: raw
            .cluster
            .parse()
            .map_err(|error| broken("cluster", error))?,
        key_file: absolute("key_file", raw.key_file)?,
        state_dir: absolute("state_dir", raw.state_dir)?,
        kubernetes,
        ceiling: Ceiling {
            groups: groups(&raw.ceiling.groups)?,
            sign_in: Duration::from_secs(raw.ceiling.sign_in_max_s),
            headless: Duration::from_secs(raw.ceiling.headless_max_s),
        },
        services,
        spool_max_bytes: raw.audit.spool_max_bytes,
        survives_restart: raw.audit.survives_restart,
        upstream_connections: raw.limits.upstream_connections,
        sessions: raw.limits.sessions,
        streams_per_user: raw.limits.streams_per_user,
    })
}

/// Two segments of the spool and room for what runs while the second is full.
const MIN_SPOOL: u64 = 16 << 20;

/// Of what a limit may be: without one of each nothing is served.
const LIMITS: std::ops::RangeInclusive<usize> = 1..=65_536;

fn gateways(texts: &[String]) -> Result<Vec<HostPort>, Broken> {
    if texts.is_empty() {
        return Err(broken("gateways", "at least one host:port"));
    }
    texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            text.parse()
                .map_err(|error| broken(format!("gateways.{index}"), error))
        })
        .collect()
}

fn kubernetes(raw: RawKubernetes) -> Result<Kubernetes, Broken> {
    const FORMS: &str = "either kubeconfig_file (and context), or api_server, ca_file and one of token_file or \
                         client_cert_file with client_key_file";
    match raw {
        RawKubernetes {
            kubeconfig_file: Some(file),
            context,
            api_server: None,
            ca_file: None,
            token_file: None,
            client_cert_file: None,
            client_key_file: None,
        } => Ok(Kubernetes::Kubeconfig {
            file: absolute("kubernetes.kubeconfig_file", file)?,
            context,
        }),
        RawKubernetes {
            kubeconfig_file: None,
            context: None,
            api_server: Some(server),
            ca_file: Some(ca_file),
            token_file,
            client_cert_file,
            client_key_file,
        } => Ok(Kubernetes::Direct {
            server,
            ca_file: absolute("kubernetes.ca_file", ca_file)?,
            credentials: credentials(token_file, client_cert_file, client_key_file)?
                .ok_or_else(|| broken("kubernetes", FORMS))?,
        }),
        _ => Err(broken("kubernetes", FORMS)),
    }
}

fn credentials(
    token: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<Credentials>, Broken> {
    Ok(match (token, cert, key) {
        (Some(file), None, None) => Some(Credentials::Token {
            file: absolute("kubernetes.token_file", file)?,
        }),
        (None, Some(cert_file), Some(key_file)) => Some(Credentials::Certificate {
            cert_file: absolute("kubernetes.client_cert_file", cert_file)?,
            key_file: absolute("kubernetes.client_key_file", key_file)?,
        }),
        _ => None,
    })
}

fn groups(groups: &[String]) -> Result<Vec<KubeGroupName>, Broken> {
    groups
        .iter()
        .enumerate()
        .map(|(index, group)| {
            group
                .parse()
                .map_err(|error| broken(format!("ceiling.groups.{index}"), error))
        })
        .collect()
}

fn services(raw: Vec<RawService>) -> Result<Vec<Service>, Broken> {
    let mut services: Vec<Service> = Vec::with_capacity(raw.len());
    for (index, entry) in raw.into_iter().enumerate() {
        let key = |key: &str| format!("services.{index}.{key}");
        let name: Name = entry
            .name
            .parse()
            .map_err(|error| broken(key("name"), error))?;
        if services.iter().any(|service| service.name == name) {
            return Err(broken(key("name"), "a service has this name already"));
        }
        let address: HostPort = entry
            .address
            .parse()
            .map_err(|error| broken(key("address"), error))?;
        let kind = match (entry.kind, entry.origin) {
            (RawKind::Tcp, None) => ServiceKind::Tcp,
            (RawKind::Tcp, Some(_)) => {
                return Err(broken(
                    key("origin"),
                    "only a service of kind \"http\" has one",
                ));
            }
            (RawKind::Http, origin) => ServiceKind::Http {
                origin: origin
                    .unwrap_or_else(|| format!("http://{address}"))
                    .parse()
                    .map_err(|error| broken(key("origin"), error))?,
            },
        };
        services.push(Service {
            name,
            address,
            kind,
            labels: entry.labels,
        });
    }
    Ok(services)
}

fn hash(key: &str, text: &str) -> Result<Hash, Broken> {
    let decode = |engine: &base64::engine::GeneralPurpose| engine.decode(text).ok();
    decode(&STANDARD)
        .or_else(|| decode(&STANDARD_NO_PAD))
        .or_else(|| decode(&URL_SAFE_NO_PAD))
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| broken(key, "32 bytes in base64"))
}

fn absolute(key: &str, path: PathBuf) -> Result<PathBuf, Broken> {
    if Path::is_absolute(&path) {
        Ok(path)
    } else {
        Err(broken(key, "an absolute path"))
    }
}
