//! Waiting for a condition, with a bound.

use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

/// The first pause between two looks at a condition; each further one is half as long again, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// Longer pauses would show up in the time of the whole run.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

fn longer(pause: Duration) -> Duration {
    (pause * 3 / 2).min(LONGEST_PAUSE)
}

/// Lets a fault last for `span`. The time is the fault itself: whoever waits for something to happen asks [`until`].
pub fn last(span: Duration) {
    thread::sleep(span);
}

/// Blocks until `probe` gives a value, and returns it.
///
/// # Errors
/// What `probe` returns, at once; and a message with `what` when `bound` has passed.
pub fn until<T>(
    what: &str,
    bound: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(value) = probe()? {
            return Ok(value);
        }
        if begun.elapsed() >= bound {
            bail!("{what}: not seen within {bound:?}");
        }
        thread::sleep(pause);
        pause = longer(pause);
    }
}

/// Waits as [`until`] does, without blocking the thread.
///
/// # Errors
/// As [`until`].
pub async fn eventually<T>(
    what: &str,
    bound: Duration,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(value) = probe().await? {
            return Ok(value);
        }
        if begun.elapsed() >= bound {
            bail!("{what}: not seen within {bound:?}");
        }
        tokio::time::sleep(pause).await;
        pause = longer(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn condition_that_never_holds_is_named_in_the_error() {
        let error = until("the moon is green", Duration::ZERO, || Ok(None::<()>)).unwrap_err();
        assert!(error.to_string().contains("the moon is green"));
    }

    #[test]
    fn third_look_succeeds() {
        let mut looks = 0;
        let seen = until("third look", Duration::from_secs(5), || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(seen.unwrap(), 3);
    }

    #[test]
    fn error_of_the_probe_ends_the_wait() {
        let error = until("never", Duration::from_mins(1), || -> Result<Option<()>> {
            bail!("broken")
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "broken");
    }
}
