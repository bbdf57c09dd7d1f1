//! What a device is refused, so many times a second: who is refused again and again does not fill the store. How many
//! were left out is recorded.

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::id::DeviceId;
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::audit::{Actor, Refusal};
use adit_transport::limit::{Beyond, CountedLimits, Rate};
use tokio::time::Instant;

use super::Audit;

/// Refusals of a device that are recorded one by one: more than a person causes.
pub(super) const RATE: Rate = Rate {
    burst: 128,
    each: Duration::from_millis(250),
};

/// The refusals of all devices.
pub(super) type Refusals = CountedLimits<DeviceId, Actor>;

impl Audit {
    /// Notes what a device was refused, as long as that is not too often; else it is counted, and
    /// [`Audit::note_left_out`] notes the count.
    pub async fn note_refusal(&self, device: DeviceId, actor: &Actor, event: Event) {
        if self.refusals.take(device, actor, Instant::now()).is_some() {
            self.note(event).await;
        }
    }

    /// Notes how many refusals were left out since this was called last.
    pub async fn note_left_out(&self) {
        for Beyond { what, count } in self.refusals.beyond() {
            let refusal = Refusal {
                actor: Some(what),
                subject: "refusals".to_owned(),
                reason: Reason::RateLimited.to_string(),
                detail: format!("{count} more were refused and are left out"),
            };
            self.note(Event::Refusal(refusal)).await;
        }
    }
}
