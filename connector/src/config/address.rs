//! `host:port`, for gateways and services.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not `host:port`.
    #[error("an address is host:port, with an IPv6 address in brackets")]
    Form,
    /// An address that no service has: unspecified, link-local, multicast or broadcast.
    #[error("{0} is unspecified, link-local, multicast or broadcast")]
    NoService(IpAddr),
}

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// The host, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for HostPort {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::Form)?;
        let port = port.parse().map_err(|_| AddressError::Form)?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'));
        let host = match bracketed {
            Some(inner) => inner
                .parse::<std::net::Ipv6Addr>()
                .map_err(|_| AddressError::Form)?
                .to_string(),
            None if is_name(host) => host.to_owned(),
            None => return Err(AddressError::Form),
        };
        if port == 0 {
            return Err(AddressError::Form);
        }
        if let Ok(ip) = host.parse() {
            may_be_service(ip)?;
        }
        Ok(Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Refuses what is nobody's service. Link-local holds the metadata services of clouds (169.254.169.254), where a name
/// that somebody else controls must not lead. Loopback is allowed: a sidecar is a service, and who writes the
/// configuration owns the machine.
///
/// # Errors
/// [`AddressError::NoService`].
pub fn may_be_service(ip: IpAddr) -> Result<(), AddressError> {
    let refused = match ip.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_unspecified() || ip.is_link_local() || ip.is_multicast() || ip.is_broadcast()
        }
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_unicast_link_local() || ip.is_multicast(),
    };
    if refused {
        return Err(AddressError::NoService(ip));
    }
    Ok(())
}

fn is_name(host: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=253).contains(&host.len()) && host.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        for text in ["gw.example.org:443", "10.0.0.1:80", "[2001:db8::1]:5432"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn u14_addresses_that_no_service_has_are_refused() {
        for text in [
            "0.0.0.0:1",
            "169.254.169.254:80",
            "[fe80::1]:1",
            "[::]:1",
            "224.0.0.1:1",
            "255.255.255.255:1",
            "[::ffff:169.254.169.254]:80",
        ] {
            assert!(
                matches!(text.parse::<HostPort>(), Err(AddressError::NoService(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "host",
            "host:",
            ":1",
            "host:0",
            "host:65536",
            "a b:1",
            "::1:1",
            "[x]:1",
        ] {
            assert_eq!(text.parse::<HostPort>(), Err(AddressError::Form), "{text}");
        }
    }
}
