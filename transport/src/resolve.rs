//! Names to addresses.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

/// The first address of `host`, a name or an address without brackets, with `port`.
///
/// `localhost` and the names below it are this machine and are asked of nobody (RFC 6761 section 6.3): a machine without
/// `/etc/hosts` has them too.
///
/// # Errors
/// When the name has no address or cannot be looked up.
pub async fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    if is_localhost(host) {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let mut found = tokio::net::lookup_host((host, port)).await?;
    found
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
}

fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or(host);
    last.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_of_this_machine_are_asked_of_nobody() {
        for name in ["localhost", "LOCALHOST.", "shop-1a2b.localhost"] {
            let address = resolve(name, 4711).await.unwrap();
            assert_eq!(address.to_string(), "127.0.0.1:4711", "{name}");
        }
        for other in ["localhost.example", "notlocalhost", "127.0.0.1"] {
            assert!(!is_localhost(other), "{other}");
        }
    }

    #[tokio::test]
    async fn an_address_is_itself() {
        let address = resolve("::1", 443).await.unwrap();
        assert_eq!(address.to_string(), "[::1]:443");
    }
}
