//! The configuration of a gateway: what is in its file and environment, checked.
//!
//! [`Config`] can be had only through [`Config::load`] and [`Config::from_toml`]: whoever holds one need not check again.

mod raw;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use adit_proto::address::HostPort;
use url::{Host, Url};

use crate::store::Database;
pub use raw::ConfigError;
use raw::{Raw, RawLimits, RawLives, RawTls};

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where browsers reach the gateway. Its host is the RP ID, its origin the only one of a new deployment.
    pub public: PublicUrl,
    /// Where to listen: the same number for UDP (QUIC) and TCP (pages, carrier).
    pub listen: SocketAddr,
    /// The address that invitations name.
    pub advertise: HostPort,
    /// The directory of keys and, with SQLite, of the database.
    pub state_dir: PathBuf,
    /// Where the store is.
    pub database: Database,
    /// Certificate and key for browsers; `None` for `http://localhost`.
    pub tls: Option<TlsFiles>,
    /// Where metrics are served; `None` when switched off.
    pub metrics: Option<SocketAddr>,
    /// How long things live.
    pub lives: Lives,
    /// How much there may be.
    pub limits: Limits,
    /// Whether assertions of the software authenticator are taken. Said loudly at every start.
    pub insecure_software_authenticator: bool,
}

/// The address of the gateway in browsers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    url: Url,
    host: String,
}

impl PublicUrl {
    /// The origin, as browsers write it into client data.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The host name: the RP ID of WebAuthn.
    #[must_use]
    pub fn rp_id(&self) -> &str {
        &self.host
    }

    /// Whether browsers come without TLS, which is so on `http://localhost` only.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// The absolute address of a path that begins with a slash.
    #[must_use]
    pub fn page(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }
}

/// Files of a browser's TLS: a PEM chain and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub cert_file: PathBuf,
    /// The private key, readable by nobody else.
    pub key_file: PathBuf,
}

/// How long things live. Connectors have ceilings of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// A sign-in, at most.
    pub sign_in: Duration,
    /// A sign-in without a session; `None` where that is no limit.
    pub sign_in_idle: Option<Duration>,
    /// A sign-in whose code was typed on another machine, at most; `None` where there is none.
    pub headless: Option<Duration>,
    /// A session, at most; it ends with its sign-in.
    pub session: Duration,
    /// A session without an open stream.
    pub session_idle: Duration,
    /// How long things go on without a gateway that reads its store.
    pub lease: Duration,
    /// A sign-in URL, a matching code, a challenge.
    pub ceremony: Duration,
    /// Time to answer a touch.
    pub touch: Duration,
    /// A turn at the roster.
    pub turn: Duration,
}

/// `limits.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Ceremonies that one device may begin at once.
    pub ceremonies: u32,
    /// Sessions of one device that are live at once.
    pub sessions_per_device: usize,
    /// Sessions of one user that are live at once, on all devices.
    pub sessions_per_user: usize,
}

impl Config {
    /// Reads a file and lets `environment` (`ADIT_SECTION__KEY`) override it.
    ///
    /// # Errors
    /// [`ConfigError`] names the file or variable, the line, the key and the rule.
    pub fn load(
        path: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let file = path.to_owned();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { file, source })?;
        Self::from_toml(path, &text, environment)
    }

    /// As [`Config::load`], with the text of the file given.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_toml(
        path: &Path,
        text: &str,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        check(Raw::read(path, text, environment)?)
    }
}

fn check(raw: Raw) -> Result<Config, ConfigError> {
    let public = public_url(&raw.public_url)?;
    if public.is_plain() && !raw.listen.ip().is_loopback() {
        let rule = "http://localhost needs a loopback address, such as 127.0.0.1:8443";
        return Err(ConfigError::rule("listen", rule));
    }
    let tls = tls(&public, raw.tls)?;
    let advertise = raw
        .advertise
        .unwrap_or_else(|| format!("{}:{}", public.rp_id(), raw.listen.port()))
        .parse()
        .map_err(|_| ConfigError::rule("advertise", "must be host:port"))?;
    if !raw.state_dir.is_absolute() {
        return Err(ConfigError::rule("state_dir", "must be an absolute path"));
    }
    let database = database(
        &raw.database,
        raw.database_url_file.as_deref(),
        &raw.state_dir,
    )?;
    Ok(Config {
        public,
        listen: raw.listen,
        advertise,
        state_dir: raw.state_dir,
        database,
        tls,
        metrics: (raw.metrics.port() != 0).then_some(raw.metrics),
        lives: lives(&raw.lives)?,
        limits: limits(&raw.limits)?,
        insecure_software_authenticator: raw.insecure_software_authenticator,
    })
}

fn public_url(text: &str) -> Result<PublicUrl, ConfigError> {
    let refused = |rule| ConfigError::rule("public_url", rule);
    let url =
        Url::parse(text).map_err(|_| refused("must be a URL such as https://gw.example.org"))?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err(refused("must be scheme, host and port only"));
    }
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        _ => {
            return Err(refused(
                "must name a host: WebAuthn takes no IP address as RP ID",
            ));
        }
    };
    match (url.scheme(), host.as_str()) {
        ("https", _) | ("http", "localhost") => Ok(PublicUrl { url, host }),
        _ => Err(refused(
            "must be https, or http://localhost for trying things out",
        )),
    }
}

fn tls(public: &PublicUrl, raw: Option<RawTls>) -> Result<Option<TlsFiles>, ConfigError> {
    match (public.is_plain(), raw) {
        (true, None) => Ok(None),
        (true, Some(_)) => Err(ConfigError::rule("tls", "has no use with http://localhost")),
        (false, None) => Err(ConfigError::rule(
            "tls",
            "an https public_url needs cert_file and key_file",
        )),
        (
            false,
            Some(RawTls {
                cert_file,
                key_file,
            }),
        ) => Ok(Some(TlsFiles {
            cert_file,
            key_file,
        })),
    }
}

fn database(
    kind: &str,
    url_file: Option<&Path>,
    state_dir: &Path,
) -> Result<Database, ConfigError> {
    match (kind, url_file) {
        ("sqlite", None) => Ok(Database::Sqlite(state_dir.join("adit.db"))),
        ("sqlite", Some(_)) => Err(ConfigError::rule(
            "database_url_file",
            "is for database = \"postgres\"",
        )),
        ("postgres", Some(path)) => raw::postgres(path),
        ("postgres", None) => Err(ConfigError::rule(
            "database_url_file",
            "database = \"postgres\" needs a file with the connection URL",
        )),
        _ => Err(ConfigError::rule(
            "database",
            "must be \"sqlite\" or \"postgres\"",
        )),
    }
}

fn limits(raw: &RawLimits) -> Result<Limits, ConfigError> {
    let least_one = |key, limit: u32| {
        if limit > 0 {
            return Ok(limit);
        }
        Err(ConfigError::rule(key, "must be 1 or more"))
    };
    let sessions = |key, limit| Ok(least_one(key, limit)?.try_into().unwrap_or(usize::MAX));
    Ok(Limits {
        ceremonies: least_one("limits.ceremonies", raw.ceremonies)?,
        sessions_per_device: sessions("limits.sessions_per_device", raw.sessions_per_device)?,
        sessions_per_user: sessions("limits.sessions_per_user", raw.sessions_per_user)?,
    })
}

fn lives(raw: &RawLives) -> Result<Lives, ConfigError> {
    const HOUR: u64 = 3_600;
    const DAY: u64 = 24 * HOUR;
    // A connector takes no longer one, and a gateway sends the next when a quarter of it is over.
    const LEASE_MAX: u64 = 300;
    let life = |key, seconds: u64, least: u64, most: u64| {
        if (least..=most).contains(&seconds) {
            return Ok(Duration::from_secs(seconds));
        }
        Err(ConfigError::Life { key, least, most })
    };
    let sign_in = life("lives.sign_in_s", raw.sign_in_s, 10, 30 * DAY)?;
    let sign_in_idle = match raw.sign_in_idle_s {
        0 => None,
        seconds => Some(life("lives.sign_in_idle_s", seconds, 60, 30 * DAY)?),
    };
    let headless = match raw.headless_s {
        0 => None,
        // Never longer than one that a browser on the same machine makes.
        seconds => Some(life("lives.headless_s", seconds, 60, 30 * DAY)?.min(sign_in)),
    };
    Ok(Lives {
        sign_in,
        sign_in_idle,
        headless,
        session: life("lives.session_s", raw.session_s, 60, 30 * DAY)?,
        session_idle: life("lives.session_idle_s", raw.session_idle_s, 10, 30 * DAY)?,
        lease: life("lives.lease_s", raw.lease_s, 4, LEASE_MAX)?,
        ceremony: life("lives.ceremony_s", raw.ceremony_s, 10, HOUR)?,
        touch: life("lives.touch_s", raw.touch_s, 10, 120)?,
        turn: life("lives.turn_s", raw.turn_s, 1, 60)?,
    })
}
