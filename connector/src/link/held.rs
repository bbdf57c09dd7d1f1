//! How many links a device holds.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use adit_proto::Reason;
use adit_proto::key::Fingerprint;
use parking_lot::Mutex;
use quinn::Connection;

use super::close;

/// Links of one device at most. An agent has one, and a second one while it moves; each holds memory for its streams.
const LINKS: usize = 8;

type ByDevice = HashMap<Fingerprint, VecDeque<Connection>>;

/// The links that are held, each device's oldest first.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<Mutex<ByDevice>>);

/// A link's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    held: Held,
    device: Fingerprint,
    link: usize,
}

impl Held {
    /// Gives a link a place. A device that has as many as it may loses its oldest one.
    pub(super) fn place(&self, device: Fingerprint, link: &Connection) -> Place {
        let mut held = self.0.lock();
        let links = held.entry(device).or_default();
        if links.len() >= LINKS
            && let Some(oldest) = links.pop_front()
        {
            close(&oldest, Reason::LimitReached);
        }
        links.push_back(link.clone());
        Place {
            held: self.clone(),
            device,
            link: link.stable_id(),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.lock().values().map(VecDeque::len).sum()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.0.lock();
        if let Some(links) = held.get_mut(&self.device) {
            links.retain(|link| link.stable_id() != self.link);
            if links.is_empty() {
                held.remove(&self.device);
            }
        }
    }
}
