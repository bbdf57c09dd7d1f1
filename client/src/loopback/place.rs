//! Where something listens: a port that is chosen once and remembered.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use ring::rand::SecureRandom;
use tokio::net::TcpListener;

use super::{Bound, holder};
use crate::private_file::{self, PrivateFileError};

/// Where a port is chosen from: above the registered ones that are common, below what kernels hand out themselves
/// (Linux: from 32768), so that an outgoing connection never sits on it.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How many ports are tried.
const ATTEMPTS: usize = 64;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The remembered port is taken.
    #[error("port {port} of {of} is taken by {holder}: end it, or move with `{moved_by}`")]
    Taken {
        /// The port.
        port: u16,
        /// Who has it.
        holder: String,
        /// What it was to be for.
        of: &'static str,
        /// The command that chooses another.
        moved_by: &'static str,
    },
    /// No port could be opened.
    #[error("no port on 127.0.0.1 can be opened")]
    Socket(#[source] io::Error),
    /// The file that remembers the port cannot be used.
    #[error("a local port cannot be remembered")]
    File(#[from] PrivateFileError),
}

/// A port of the loopback interface.
#[derive(Clone, Debug)]
pub struct Place {
    /// What remembers it.
    pub file: PathBuf,
    /// Whether it is also taken at `::1`, where a browser may look for a name first.
    pub both_families: bool,
    /// What it is for.
    pub of: &'static str,
    /// The command that chooses another.
    pub moved_by: &'static str,
}

impl Place {
    /// Opens the port that is remembered, and chooses one if there is none.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn bind(&self, rng: &(dyn SecureRandom + Sync)) -> Result<Bound, ListenError> {
        let Some(port) = self.remembered()? else {
            return self.choose(rng).await;
        };
        self.listen(port).await.map_err(|error| {
            if error.kind() != io::ErrorKind::AddrInUse {
                return ListenError::Socket(error);
            }
            ListenError::Taken {
                port,
                holder: holder::of_port(port).unwrap_or_else(|| "another process".to_owned()),
                of: self.of,
                moved_by: self.moved_by,
            }
        })
    }

    /// The port that is remembered.
    ///
    /// # Errors
    /// When its file cannot be used.
    pub fn remembered(&self) -> Result<Option<u16>, PrivateFileError> {
        let bytes = private_file::read(&self.file)?;
        Ok(bytes.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.trim().parse().ok()))
    }

    /// Chooses a new port and remembers it.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn choose(&self, rng: &(dyn SecureRandom + Sync)) -> Result<Bound, ListenError> {
        let mut last = io::Error::other("the system gives no randomness");
        for _ in 0..ATTEMPTS {
            let mut random = [0; 2];
            if rng.fill(&mut random).is_err() {
                break;
            }
            let span = PORTS.end - PORTS.start;
            let port = PORTS.start + u16::from_be_bytes(random) % span;
            match self.listen(port).await {
                Ok(bound) => {
                    private_file::replace(&self.file, port.to_string().as_bytes())?;
                    return Ok(bound);
                }
                Err(error) => last = error,
            }
        }
        Err(ListenError::Socket(last))
    }

    async fn listen(&self, port: u16) -> io::Result<Bound> {
        let mut listeners = vec![TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?];
        if self.both_families {
            match TcpListener::bind((IpAddr::V6(Ipv6Addr::LOCALHOST), port)).await {
                Ok(listener) => listeners.push(listener),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
                // A machine without IPv6: nobody else listens there either.
                Err(_) => {}
            }
        }
        Ok(Bound { port, listeners })
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;

    fn place(scratch: &tempfile::TempDir) -> Place {
        Place {
            file: scratch.path().join("port"),
            both_families: true,
            of: "the test",
            moved_by: "adit move",
        }
    }

    #[tokio::test]
    async fn the_port_is_remembered_and_a_thief_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let (place, rng) = (place(&scratch), SystemRandom::new());
        let first = place.bind(&rng).await.unwrap();
        let chosen = first.port();
        let error = place.bind(&rng).await.unwrap_err().to_string();
        for part in [
            &chosen.to_string(),
            &std::process::id().to_string(),
            "of the test",
            "`adit move`",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
        drop(first);
        assert_eq!(place.bind(&rng).await.unwrap().port(), chosen);
    }

    #[tokio::test]
    async fn a_thief_at_the_other_familys_address_is_named_too() {
        let scratch = tempfile::tempdir().unwrap();
        let (place, rng) = (place(&scratch), SystemRandom::new());
        let mut both = place.bind(&rng).await.unwrap();
        if both.listeners.len() < 2 {
            return;
        }
        both.listeners.remove(0);
        let refused = place.bind(&rng).await;
        assert!(matches!(refused, Err(ListenError::Taken { .. })));
    }
}
