//! How much of a gateway's offers is verified at once.

use std::sync::Arc;

use adit_proto::Reason;
use adit_proto::wire::control::Offer;
use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of offers that are held while they wait for the roster, two seconds at most. An honest offer has some 2 KiB, so
/// all sessions of a connector fit; of the largest frames, eight.
const BYTES: usize = 8 << 20;
/// What an offer counts for at least, so that small ones are bounded in number.
const LEAST: usize = 1 << 10;

/// Room for the offers of one gateway.
#[derive(Debug)]
pub(super) struct OfferRoom(Arc<Semaphore>);

impl Default for OfferRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BYTES)))
    }
}

impl OfferRoom {
    /// Takes room for `offer` until the permit is dropped.
    pub(super) fn take(&self, offer: &Offer) -> Result<OwnedSemaphorePermit, Reason> {
        let bytes = offer.encoded_len().max(LEAST);
        let bytes = u32::try_from(bytes).map_err(|_| Reason::LimitReached)?;
        let taken = self.0.clone().try_acquire_many_owned(bytes);
        taken.map_err(|_| Reason::LimitReached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(room: &OfferRoom, offer: &Offer) -> Vec<OwnedSemaphorePermit> {
        let mut held = Vec::new();
        while held.len() <= BYTES / LEAST {
            match room.take(offer) {
                Ok(permit) => held.push(permit),
                Err(reason) => {
                    assert_eq!(reason, Reason::LimitReached);
                    return held;
                }
            }
        }
        held
    }

    #[test]
    fn c14_offers_of_a_gateway_are_held_in_bounded_memory_and_number() {
        let room = OfferRoom::default();
        let large = Offer {
            must_understand: vec!["x".repeat(1 << 20)],
            ..Offer::default()
        };
        let held = taken(&room, &large);
        assert!(held.len() < 9, "{}", held.len());
        drop(held);
        let held = taken(&room, &Offer::default());
        assert_eq!(held.len(), BYTES / LEAST);
    }
}
