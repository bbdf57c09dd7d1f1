//! What a session reaches: `cluster/NAME` or `service/CLUSTER/NAME`.

use std::fmt;
use std::str::FromStr;

/// Longest DNS label (RFC 1035, section 2.3.4).
const LABEL_MAX: usize = 63;

/// A text that is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a target is cluster/NAME or service/CLUSTER/NAME, names in lower-case letters, digits and inner hyphens"
)]
pub struct TargetError;

/// The name of a cluster or a service: one lower-case DNS label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let bounded = (1..=LABEL_MAX).contains(&text.len());
        let hyphen = text.starts_with('-') || text.ends_with('-');
        (bounded && !hyphen && text.bytes().all(inner))
            .then(|| Self(text.to_owned()))
            .ok_or(TargetError)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a session reaches. Exactly one thing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The API server of a cluster.
    Cluster(Name),
    /// A service that a cluster's connector serves.
    Service {
        /// The cluster whose connector serves it.
        cluster: Name,
        /// Its name in that connector's configuration.
        name: Name,
    },
}

impl Target {
    /// The cluster that serves it.
    #[must_use]
    pub fn cluster(&self) -> &Name {
        match self {
            Self::Cluster(name) | Self::Service { cluster: name, .. } => name,
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let mut parts = text.split('/');
        let target = match (parts.next(), parts.next(), parts.next()) {
            (Some("cluster"), Some(name), None) => Self::Cluster(name.parse()?),
            (Some("service"), Some(cluster), Some(name)) => Self::Service {
                cluster: cluster.parse()?,
                name: name.parse()?,
            },
            _ => return Err(TargetError),
        };
        parts.next().is_none().then_some(target).ok_or(TargetError)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(name) => write!(f, "cluster/{name}"),
            Self::Service { cluster, name } => write!(f, "service/{cluster}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_read_back() {
        for text in ["cluster/prod", "service/prod/db-1"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "cluster",
            "cluster/",
            "cluster/A",
            "cluster/a/b",
            "service/a",
            "service/a/b/c",
            "cluster/-a",
            "cluster/a-",
            "cluster/a.b",
            "pod/a",
            "cluster/a\n",
        ] {
            assert_eq!(text.parse::<Target>(), Err(TargetError), "{text}");
        }
    }
}
