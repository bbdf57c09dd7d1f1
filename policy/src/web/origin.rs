//! The name of an application: scheme and authority (RFC 6454).

use std::fmt;
use std::str::FromStr;

use http::uri::Authority;

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an origin is http:// or https://, a host, and a port if it is not the usual one")]
pub struct OriginError;

/// An origin, in lower case and without the port that its scheme has anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: &'static str,
    authority: String,
}

impl Origin {
    /// Host and port as `Host` names them.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What follows this origin in an address, if the address lies on it exactly.
    pub(super) fn rest<'a>(&self, address: &'a str) -> Option<&'a str> {
        let after = address.strip_prefix(self.scheme)?.strip_prefix("://")?;
        self.behind_authority(after)
    }

    /// The same for an address of an application, which may not know that it is reached by another scheme, or leaves the
    /// scheme out.
    pub(super) fn rest_by_any_scheme<'a>(&self, address: &'a str) -> Option<&'a str> {
        let (before, after) = address.split_once("//")?;
        let known = ["", "http:", "https:"];
        known
            .iter()
            .any(|scheme| before.eq_ignore_ascii_case(scheme))
            .then(|| self.behind_authority(after))?
    }

    fn behind_authority<'a>(&self, after: &'a str) -> Option<&'a str> {
        let (authority, rest) = after.split_at_checked(self.authority.len())?;
        let ends = rest.is_empty() || rest.starts_with(['/', '?', '#']);
        (authority.eq_ignore_ascii_case(&self.authority) && ends).then_some(rest)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, usual, rest) = if let Some(rest) = text.strip_prefix("http://") {
            ("http", ":80", rest)
        } else if let Some(rest) = text.strip_prefix("https://") {
            ("https", ":443", rest)
        } else {
            return Err(OriginError);
        };
        let authority: Authority = rest.parse().map_err(|_| OriginError)?;
        let named = !authority.host().is_empty() && !rest.contains('@');
        let whole =
            authority.port().is_none() || authority.port_u16().is_some_and(|port| port != 0);
        if !named || !whole || rest.ends_with(':') {
            return Err(OriginError);
        }
        let authority = rest.strip_suffix(usual).unwrap_or(rest);
        Ok(Self {
            scheme,
            authority: authority.to_ascii_lowercase(),
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}
