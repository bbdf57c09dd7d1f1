//! The generators of both classes, for quinn.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quinn::{ConnectionId, ConnectionIdGenerator};
use quinn_proto::InvalidCid;
use ring::hmac;
use ring::rand::SecureRandom;
use subtle::ConstantTimeEq;

use super::secret::first_eight;
use super::{CID_LEN, OVERLAY_BIT, OwnRoute, RouteId};

/// The system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no randomness")]
pub struct RandomnessError;

/// Where the unpredictable half of an ID comes from: a keyed counter, since a generator has no way to fail.
#[derive(Clone)]
pub struct IdSeed(Arc<(hmac::Key, AtomicU64)>);

impl fmt::Debug for IdSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSeed(..)")
    }
}

impl IdSeed {
    /// Draws a new seed. Clones share one counter and never give the same ID.
    ///
    /// # Errors
    /// [`RandomnessError`] when `rng` fails.
    pub fn new(rng: &dyn SecureRandom) -> Result<Self, RandomnessError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, rng).map_err(|_| RandomnessError)?;
        Ok(Self(Arc::new((key, AtomicU64::new(0)))))
    }

    fn next(&self) -> u64 {
        let (key, counter) = &*self.0;
        let number = counter.fetch_add(1, Ordering::Relaxed);
        first_eight(hmac::sign(key, &number.to_be_bytes()).as_ref())
    }
}

/// Generates control connection IDs, and recognises those that were made with the same key.
#[derive(Debug, Clone)]
pub struct ControlIds {
    key: hmac::Key,
    seed: IdSeed,
}

impl ControlIds {
    /// A gateway's key is derived from its route secret ([`super::RouteSecret::control_ids`]).
    pub(super) const fn new(key: hmac::Key, seed: IdSeed) -> Self {
        Self { key, seed }
    }

    /// For an endpoint of a party, whose IDs only it must recognise.
    ///
    /// # Errors
    /// [`RandomnessError`] when `rng` fails.
    pub fn ephemeral(rng: &dyn SecureRandom) -> Result<Self, RandomnessError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, rng).map_err(|_| RandomnessError)?;
        Ok(Self::new(key, IdSeed::new(rng)?))
    }

    /// Makes an ID; also what a first packet to a gateway carries.
    #[must_use]
    pub fn make(&self) -> ConnectionId {
        let nonce = (self.seed.next() & !OVERLAY_BIT).to_be_bytes();
        joined(nonce, self.tag(nonce))
    }

    fn tag(&self, nonce: [u8; 8]) -> [u8; 8] {
        first_eight(hmac::sign(&self.key, &nonce).as_ref()).to_be_bytes()
    }
}

impl ConnectionIdGenerator for ControlIds {
    fn generate_cid(&mut self) -> ConnectionId {
        self.make()
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        let (nonce, tag) = halves(id)?;
        // An answer that comes sooner for a better guess would be an oracle for the key.
        if self.tag(nonce).ct_eq(&tag).into() {
            Ok(())
        } else {
            Err(InvalidCid)
        }
    }

    fn cid_len(&self) -> usize {
        CID_LEN
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// Generates overlay connection IDs that lead to this party's own route.
#[derive(Debug, Clone)]
pub struct OverlayIds {
    own: OwnRoute,
    seed: IdSeed,
}

impl OverlayIds {
    /// The route may still be unknown; no link is opened or accepted before it is.
    #[must_use]
    pub const fn new(own: OwnRoute, seed: IdSeed) -> Self {
        Self { own, seed }
    }

    /// Makes the made-up ID of a first packet to the party behind `route`.
    #[must_use]
    pub fn towards(&self, route: RouteId) -> ConnectionId {
        joined(route.bits().to_be_bytes(), self.seed.next().to_be_bytes())
    }
}

impl ConnectionIdGenerator for OverlayIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let route = self.own.get().map_or(OVERLAY_BIT, RouteId::bits);
        joined(route.to_be_bytes(), self.seed.next().to_be_bytes())
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        let (route, _) = halves(id)?;
        match self.own.get() {
            Some(own) if own.bits().to_be_bytes() == route => Ok(()),
            _ => Err(InvalidCid),
        }
    }

    fn cid_len(&self) -> usize {
        CID_LEN
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

fn joined(front: [u8; 8], back: [u8; 8]) -> ConnectionId {
    let [front, back] = [front, back].map(|half| u128::from(u64::from_be_bytes(half)));
    ConnectionId::new(&(front << 64 | back).to_be_bytes())
}

fn halves(id: &ConnectionId) -> Result<([u8; 8], [u8; 8]), InvalidCid> {
    let (front, back) = id.split_first_chunk::<8>().ok_or(InvalidCid)?;
    Ok((*front, back.try_into().map_err(|_| InvalidCid)?))
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::super::{Class, RouteSecret};
    use super::*;

    fn class(id: &ConnectionId) -> Class {
        let mut datagram = vec![0x40];
        datagram.extend_from_slice(id);
        Class::of(&datagram)
    }

    #[test]
    fn a_restarted_gateway_recognises_the_control_ids_of_its_predecessor() {
        let rng = SystemRandom::new();
        let mut before = RouteSecret::from_bytes([7; 32]).control_ids(&rng).unwrap();
        let after = RouteSecret::from_bytes([7; 32]).control_ids(&rng).unwrap();
        let other = RouteSecret::from_bytes([8; 32]).control_ids(&rng).unwrap();
        for _ in 0..100 {
            let id = before.generate_cid();
            assert_eq!(class(&id), Class::Control);
            assert!(after.validate(&id).is_ok());
            assert!(other.validate(&id).is_err());
        }
    }

    #[test]
    fn u3_a_guessed_control_id_is_not_recognised() {
        let ids = RouteSecret::from_bytes([7; 32])
            .control_ids(&SystemRandom::new())
            .unwrap();
        let guesses = IdSeed::new(&SystemRandom::new()).unwrap();
        for _ in 0..10_000 {
            let guess = joined(
                (guesses.next() & !OVERLAY_BIT).to_be_bytes(),
                guesses.next().to_be_bytes(),
            );
            assert!(ids.validate(&guess).is_err());
        }
    }

    #[test]
    fn an_overlay_id_leads_to_its_route_and_ids_never_repeat() {
        let own = OwnRoute::default();
        let mut ids = OverlayIds::new(own.clone(), IdSeed::new(&SystemRandom::new()).unwrap());
        assert!(
            ids.validate(&ConnectionId::new(&[0xff; CID_LEN])).is_err(),
            "nothing is ours before the route is"
        );
        let route = RouteId::from_bits(OVERLAY_BIT | 0x77).unwrap();
        own.set(route);
        let made: std::collections::HashSet<_> = (0..1000).map(|_| ids.generate_cid()).collect();
        assert_eq!(made.len(), 1000);
        assert!(
            made.iter()
                .all(|id| class(id) == Class::Overlay(route) && ids.validate(id).is_ok())
        );
        let peer = RouteId::from_bits(OVERLAY_BIT | 0x78).unwrap();
        assert_eq!(class(&ids.towards(peer)), Class::Overlay(peer));
        assert!(ids.validate(&ids.towards(peer)).is_err());
    }
}
