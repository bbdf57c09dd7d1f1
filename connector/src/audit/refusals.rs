//! What a device is refused, so many times a second: who is refused again and again does not fill the log, at whose
//! high-water mark nobody else is admitted. How many were left out is recorded.

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::key::Fingerprint;
use adit_proto::wire::audit::Actor;
use adit_proto::wire::audit::record::Event;
use adit_transport::limit::{Beyond, CountedLimits, Rate};

use super::event;

/// Refusals of a device that are recorded one by one: more than a person causes, even with a dashboard open.
pub(super) const RATE: Rate = Rate {
    burst: 128,
    each: Duration::from_millis(250),
};

/// The refusals of all devices.
pub(super) type Refusals = CountedLimits<Fingerprint, Actor>;

/// What is recorded of those that were left out.
pub(super) fn left_out(Beyond { what, count }: Beyond<Actor>) -> Event {
    let detail = format!("{count} more were refused and are left out");
    event::refusal(what, "refusals", Reason::RateLimited, &detail)
}
