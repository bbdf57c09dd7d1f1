//! The address of a gateway as people and invitations write it: `host:port`.

use std::fmt;
use std::str::FromStr;

use url::Host;

/// A text that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address is a host name or IP address, a colon and a port, such as gw.example.org:443")]
pub struct AddressError;

/// A host name or IP address (IPv6 in brackets) and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    host: Host,
    port: u16,
}

impl HostPort {
    /// The host as it is resolved and dialled: a name or an address without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }

    /// The port; never zero.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for HostPort {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(AddressError)?;
        let plain = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().map_err(|_| AddressError)?;
        let host = Host::parse(host).map_err(|_| AddressError)?;
        (plain && port != 0)
            .then_some(Self { host, port })
            .ok_or(AddressError)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        for text in ["gw.example.org:443", "127.0.0.1:8443", "[::1]:443"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
        assert_eq!("[::1]:443".parse::<HostPort>().unwrap().host(), "::1");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "gw",
            "gw:",
            ":443",
            "gw:0",
            "gw:+1",
            "gw:65536",
            "a b:1",
            "::1:443",
            "http://gw:1",
            "gw/x:1",
        ] {
            assert_eq!(text.parse::<HostPort>(), Err(AddressError), "{text}");
        }
    }
}
