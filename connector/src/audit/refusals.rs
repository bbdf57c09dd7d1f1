//! What a device is refused, so many times a second: who is refused again and again does not fill the log, at whose
//! high-water mark nobody else is admitted. How many were left out is recorded.

use std::collections::HashMap;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::key::Fingerprint;
use adit_proto::wire::audit::Actor;
use adit_proto::wire::audit::record::Event;
use adit_transport::limit::{Limits, Rate, WithinLimit};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::event;

/// Refusals of a device that are recorded one by one: more than a person causes, even with a dashboard open.
const RATE: Rate = Rate {
    burst: 128,
    each: Duration::from_millis(250),
};

#[derive(Debug)]
struct LeftOut {
    actor: Actor,
    count: u64,
}

/// The refusals of all devices.
#[derive(Debug)]
pub(super) struct Refusals {
    limits: Limits<Fingerprint>,
    left_out: Mutex<HashMap<Fingerprint, LeftOut>>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            limits: Limits::new(RATE),
            left_out: Mutex::default(),
        }
    }
}

impl Refusals {
    /// Takes one more refusal of `device`. `None` if it is only counted.
    pub(super) fn take(&self, device: Fingerprint, actor: &Actor) -> Option<WithinLimit> {
        let within = self.limits.take(device, Instant::now());
        if within.is_none() {
            let mut left_out = self.left_out.lock();
            let of_device = left_out.entry(device).or_insert_with(|| LeftOut {
                actor: actor.clone(),
                count: 0,
            });
            of_device.count = of_device.count.saturating_add(1);
        }
        within
    }

    /// How many were left out since this was asked last.
    pub(super) fn left_out(&self) -> Vec<Event> {
        let left_out = std::mem::take(&mut *self.left_out.lock());
        let told = |LeftOut { actor, count }| {
            let detail = format!("{count} more were refused and are left out");
            event::refusal(actor, "refusals", Reason::RateLimited, &detail)
        };
        left_out.into_values().map(told).collect()
    }
}
