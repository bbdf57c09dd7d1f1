//! The only place of the client that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use adit_proto::time::UnixMillis;

/// Reads the wall clock; the epoch, if it stands before that.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn now() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
