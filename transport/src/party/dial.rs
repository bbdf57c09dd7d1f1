//! Dialling: attempts that are begun anew, since quinn's own repetition of a first packet doubles its intervals.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use quinn::{ConnectError, Connecting, Connection, ConnectionError};
use quinn_proto::TransportErrorCode;
use ring::rand::SecureRandom;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::cid::RandomnessError;
use crate::tls::TlsConfigError;

/// After this long without an answer another attempt begins, with a first packet of its own.
const ATTEMPT: Duration = Duration::from_millis(500);
/// How many attempts are open at once: together they give an answer 2 s to come, on the slowest path.
const OPEN_ATTEMPTS: usize = 4;
/// The pause between attempts at first, doubled each time.
const PAUSE: Duration = Duration::from_millis(25);
/// The longest pause while links still live: what a gateway that comes back waits for at most, besides one attempt.
const PAUSE_EARLY: Duration = Duration::from_millis(100);
/// For how long links live without a gateway (one lease); then there is no hurry.
const EARLY: Duration = Duration::from_mins(1);
/// The longest pause after that.
const PAUSE_LATE: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The other end refused, or is not the one that was pinned. Dialling again changes nothing by itself.
    #[error("the other end refused the connection, or is not the one that is expected")]
    Refused(#[source] ConnectionError),
    /// Nobody answered in time.
    #[error("nobody answered")]
    OutOfPatience,
    /// The endpoint is closed, or the address is none to connect to.
    #[error("cannot connect")]
    Connect(#[from] ConnectError),
    /// The TLS configuration is refused.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
}

/// Spreads repetitions, so that ten thousand parties do not return in the same millisecond. Not a secret.
#[derive(Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(rng: &dyn SecureRandom) -> Result<Self, RandomnessError> {
        let mut seed = [0; 8];
        rng.fill(&mut seed).map_err(|_| RandomnessError)?;
        Ok(Self(u64::from_le_bytes(seed) | 1))
    }

    /// Between half of `pause` and one and a half of it.
    fn around(&mut self, pause: Duration) -> Duration {
        // xorshift64 (Marsaglia, 2003).
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let percent = u32::try_from(self.0 % 101).unwrap_or_default() + 50;
        pause * percent / 100
    }
}

/// Makes attempts until one succeeds or is refused.
pub(super) async fn dial(
    attempt: impl Fn() -> Result<Connecting, ConnectError>,
    patience: Option<Duration>,
    jitter: &Mutex<Jitter>,
) -> Result<Connection, DialError> {
    let begun = Instant::now();
    let deadline = patience.map(|patience| begun + patience);
    let mut open = FuturesUnordered::new();
    let mut pause = PAUSE;
    loop {
        if open.len() < OPEN_ATTEMPTS {
            open.push(tokio::time::timeout(ATTEMPT * 4, attempt()?));
        }
        let cap = if begun.elapsed() < EARLY {
            PAUSE_EARLY
        } else {
            PAUSE_LATE
        };
        let next = Instant::now() + ATTEMPT + jitter.lock().around(pause);
        let next = deadline.map_or(next, |deadline| deadline.min(next));
        pause = (pause * 2).min(cap);
        while let Ok(Some(ended)) = timeout_at(next, open.next()).await {
            match ended {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) if is_final(&error) => return Err(DialError::Refused(error)),
                Ok(Err(_)) | Err(_) => {}
            }
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(DialError::OutOfPatience);
        }
        sleep_until(next).await;
    }
}

/// Whether an answer came that will not differ next time.
fn is_final(error: &ConnectionError) -> bool {
    match error {
        // A busy server refuses with CONNECTION_REFUSED (RFC 9000, section 20.1); everything else is about who we are.
        ConnectionError::ConnectionClosed(close) => {
            close.error_code != TransportErrorCode::CONNECTION_REFUSED
        }
        ConnectionError::TransportError(_)
        | ConnectionError::ApplicationClosed(_)
        | ConnectionError::LocallyClosed
        | ConnectionError::VersionMismatch
        | ConnectionError::CidsExhausted => true,
        ConnectionError::Reset | ConnectionError::TimedOut => false,
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;

    #[test]
    fn pauses_are_spread_by_half_to_either_side() {
        let mut jitter = Jitter::new(&SystemRandom::new()).unwrap();
        let spread: Vec<_> = (0..1000)
            .map(|_| jitter.around(Duration::from_millis(100)))
            .collect();
        assert!(
            spread
                .iter()
                .all(|pause| (50..=150).contains(&pause.as_millis()))
        );
        assert!(spread.iter().any(|pause| pause.as_millis() < 60));
        assert!(spread.iter().any(|pause| pause.as_millis() > 140));
    }
}
