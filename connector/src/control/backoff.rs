//! How long to wait before a gateway is dialled again.

use std::time::Duration;

use crate::random;

/// The first wait after a failure.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// The wait after a connection that had been registered: a gateway that was restarted is back within it, and ten
/// thousand connectors come spread over it.
const AFTER_LOSS: Duration = Duration::from_millis(200);

/// Doubles from attempt to attempt; each wait is spread over its upper half.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Option<Duration>,
}

impl Backoff {
    /// The first attempt is made at once.
    pub(super) fn new() -> Self {
        Self { next: None }
    }

    /// A registration succeeded.
    pub(super) fn registered(&mut self) {
        self.next = Some(AFTER_LOSS);
    }

    /// What was refused will be refused again: waits long.
    pub(super) fn refused(&mut self) {
        self.next = Some(LONGEST);
    }

    /// Waits, and doubles the next wait.
    pub(super) async fn wait(&mut self) {
        let Some(wait) = self.next else {
            self.next = Some(FIRST);
            return;
        };
        self.next = Some((wait * 2).clamp(FIRST, LONGEST));
        tokio::time::sleep(spread(wait, random::bytes().unwrap_or([0x80; 2]))).await;
    }
}

fn spread(wait: Duration, random: [u8; 2]) -> Duration {
    let part = f64::from(u16::from_be_bytes(random)) / f64::from(u16::MAX);
    wait.mul_f64(0.5 + part / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_spread_over_its_upper_half() {
        assert_eq!(spread(LONGEST, [0; 2]), LONGEST / 2);
        assert_eq!(spread(LONGEST, [0xff; 2]), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_the_longest_and_begin_anew_after_a_registration() {
        let mut backoff = Backoff::new();
        let begun = tokio::time::Instant::now();
        backoff.wait().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        for _ in 0..20 {
            backoff.wait().await;
        }
        assert_eq!(backoff.next, Some(LONGEST));
        backoff.registered();
        let begun = tokio::time::Instant::now();
        backoff.wait().await;
        assert!(begun.elapsed() <= AFTER_LOSS + Duration::from_millis(1));
    }
}
