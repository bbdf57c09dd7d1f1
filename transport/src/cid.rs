//! Connection IDs: 16 bytes everywhere, and what a relay may read of them.
//!
//! The first bit is the class. 0 is *control*: 8 bytes, and 8 bytes of a MAC over them, so that a gateway that was
//! restarted recognises its own. 1 is *overlay*: the first 8 bytes are the [`RouteId`], the rest makes the ID unique.
//! [`Class::of`] reads a datagram by the version-independent fields of RFC 8999 alone.

mod generator;
mod secret;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::rebind::PRIVATE_VERSION;
pub use generator::{ControlIds, IdSeed, OverlayIds, RandomnessError};
pub use secret::{INSTANCE_LEN, ResetKey, RouteSecret, RouteSecretError};

/// The length of every connection ID, in bytes. Another length cannot be routed.
pub const CID_LEN: usize = 16;

/// The version of control connections (RFC 9000, section 15).
const QUIC_V1: [u8; 4] = [0, 0, 0, 1];

/// The first bit of an overlay connection ID, in the first 8 bytes read big endian.
const OVERLAY_BIT: u64 = 1 << 63;

/// Where the relay sends datagrams for one process: 63 bits, with the class bit set above them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(u64);

impl RouteId {
    /// Takes the first 8 bytes of an overlay connection ID; `None` if the class bit is not set.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        if bits & OVERLAY_BIT == 0 {
            None
        } else {
            Some(Self(bits))
        }
    }

    /// The 8 bytes that an overlay connection ID begins with, class bit included.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RouteId({self})")
    }
}

/// A party's own route, known once it is registered.
///
/// The overlay endpoint is made before that, since it is what reads the sockets; its generator looks here.
#[derive(Debug, Clone, Default)]
pub struct OwnRoute(Arc<AtomicU64>);

impl OwnRoute {
    /// The route, if there is one yet.
    #[must_use]
    pub fn get(&self) -> Option<RouteId> {
        RouteId::from_bits(self.0.load(Ordering::Acquire))
    }

    /// Sets the route. It stays the same for the life of a process, whichever gateway tells it.
    pub fn set(&self, route: RouteId) {
        self.0.store(route.bits(), Ordering::Release);
    }
}

/// What a datagram is for, by the fields that RFC 8999 promises for every version of QUIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A gateway's own endpoint, or a party's control endpoint.
    Control,
    /// The party behind this route.
    Overlay(RouteId),
    /// One of the relay's own messages about addresses ([`crate::rebind`]).
    Rebind,
    /// Nobody: too short, or its connection ID has another length than 16.
    Unroutable,
}

impl Class {
    /// Reads a datagram's class.
    ///
    /// RFC 8999, section 5.1: a long header has its first bit set, a version in bytes 1 to 4, the length of the
    /// destination connection ID in byte 5, and then that ID. Section 5.2: in a short header the ID follows the first
    /// byte, and its length is what we made it.
    #[inline]
    #[must_use]
    pub fn of(datagram: &[u8]) -> Self {
        let Some((first, rest)) = datagram.split_first() else {
            return Self::Unroutable;
        };
        if first & 0x80 == 0 {
            return match rest.first_chunk::<CID_LEN>() {
                Some(id) => Self::of_id(id),
                None => Self::Unroutable,
            };
        }
        let Some((version, rest)) = rest.split_first_chunk::<4>() else {
            return Self::Unroutable;
        };
        let Some((&length, rest)) = rest.split_first() else {
            return Self::Unroutable;
        };
        match rest.first_chunk::<CID_LEN>() {
            Some(_) if usize::from(length) != CID_LEN => Self::Unroutable,
            Some(_) if *version == PRIVATE_VERSION => Self::Rebind,
            // Control connections are QUIC version 1 at both ends: another version is not worth an answer.
            // Links may be of any version, which is for their two ends to know.
            Some(id) if Self::of_id(id) == Self::Control && *version != QUIC_V1 => Self::Unroutable,
            Some(id) => Self::of_id(id),
            None => Self::Unroutable,
        }
    }

    #[inline]
    fn of_id(id: &[u8; CID_LEN]) -> Self {
        let front = id
            .first_chunk()
            .map_or(0, |front| u64::from_be_bytes(*front));
        match RouteId::from_bits(front) {
            Some(route) => Self::Overlay(route),
            None => Self::Control,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long_header(id: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0xc0, 0, 0, 0, 1, u8::try_from(id.len()).unwrap()];
        datagram.extend_from_slice(id);
        datagram.extend_from_slice(&[0; 1200]);
        datagram
    }

    #[test]
    fn the_first_bit_of_the_connection_id_is_the_class() {
        let mut id = [0x11; CID_LEN];
        let mut short = vec![0x40];
        short.extend_from_slice(&id);
        assert_eq!(Class::of(&short), Class::Control);
        assert_eq!(Class::of(&long_header(&id)), Class::Control);
        id[0] = 0x91;
        short[1] = 0x91;
        let route = RouteId::from_bits(0x9111_1111_1111_1111).unwrap();
        assert_eq!(Class::of(&short), Class::Overlay(route));
        assert_eq!(Class::of(&long_header(&id)), Class::Overlay(route));
    }

    #[test]
    fn u8_only_connection_ids_of_16_bytes_are_routable() {
        for length in [0, 1, 8, 15, 17, 20, 255] {
            assert_eq!(
                Class::of(&long_header(&vec![0x91; length])),
                Class::Unroutable,
                "{length}"
            );
        }
        assert!(matches!(
            Class::of(&long_header(&[0x91; 16])),
            Class::Overlay(_)
        ));
    }

    #[test]
    fn u10_another_version_is_for_nobody_but_the_end_of_a_link() {
        let (mut control, mut link) =
            (long_header(&[0x11; CID_LEN]), long_header(&[0x91; CID_LEN]));
        for version in [[0; 4], [0x1a, 0x2a, 0x3a, 0x4a], [0x6b, 0x33, 0x43, 0xcf]] {
            control[1..5].copy_from_slice(&version);
            link[1..5].copy_from_slice(&version);
            assert_eq!(Class::of(&control), Class::Unroutable);
            assert!(matches!(Class::of(&link), Class::Overlay(_)));
        }
    }

    #[test]
    fn u1_no_short_datagram_is_read_past_its_end() {
        let whole = long_header(&[0x91; CID_LEN]);
        for length in 0..22 {
            assert_eq!(
                Class::of(&whole[..length]),
                Class::Unroutable,
                "long, {length}"
            );
        }
        for length in 0..17 {
            assert_eq!(
                Class::of(&vec![0x40; length]),
                Class::Unroutable,
                "short, {length}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn u1_whatever_arrives_has_a_class_and_what_follows_the_connection_id_does_not_change_it(
            datagram in proptest::collection::vec(proptest::num::u8::ANY, 0..64),
            more in proptest::collection::vec(proptest::num::u8::ANY, 0..64),
        ) {
            let class = Class::of(&datagram);
            if class != Class::Unroutable {
                proptest::prop_assert_eq!(class, Class::of(&[datagram, more].concat()));
            }
        }
    }
}
