//! `bind`, `challenge`, `answer`: how a party's address moves at the relay. Codec and MAC only, no I/O.
//!
//! quinn follows a new address before it is validated and has no event for the validation, so a relay has an exchange
//! of its own: long-header datagrams of a private QUIC version, authenticated by a key that both ends export from the
//! TLS of the control connection. A challenge is exactly as long as the `bind` that it answers, so that a spoofed
//! source gains nothing; only an answer that comes from where the challenge went moves a route.
//!
//! ```text
//! 0xc0  version:4  16  zero:16  kind:1  route:8  counter:8  token:16  mac:16      = 71 bytes
//! ```

use ring::hmac;
use subtle::ConstantTimeEq;

use crate::cid::{CID_LEN, RouteId};

/// The private version, which no QUIC endpoint speaks.
pub const PRIVATE_VERSION: [u8; 4] = [0xad, 0x17, 0x00, 0x01];

/// The length of every message, in bytes.
pub const MESSAGE_LEN: usize = AUTHENTICATED_LEN + MAC_LEN;

/// The length of a challenge's token, in bytes.
pub const TOKEN_LEN: usize = 16;

const HEADER_LEN: usize = 1 + 4 + 1 + CID_LEN;
const AUTHENTICATED_LEN: usize = HEADER_LEN + 1 + 8 + 8 + TOKEN_LEN;
const MAC_LEN: usize = 16;

/// The label under which both ends export the key from a control connection's TLS.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-adit-bind";

/// The key of one control connection's messages.
#[derive(Debug, Clone)]
pub struct BindKey(hmac::Key);

/// The key could not be exported: the handshake is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the control connection exports no key before its handshake is complete")]
pub struct ExportError;

impl BindKey {
    /// Exports the key from a control connection; both ends get the same.
    ///
    /// # Errors
    /// [`ExportError`] before the handshake is complete.
    pub fn export(connection: &quinn::Connection) -> Result<Self, ExportError> {
        let mut material = zeroize::Zeroizing::new([0; 32]);
        connection
            .export_keying_material(material.as_mut_slice(), EXPORTER_LABEL, b"")
            .map_err(|_| ExportError)?;
        Ok(Self::from_bytes(&material))
    }

    /// Takes 32 secret bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    fn mac(&self, authenticated: &[u8]) -> [u8; MAC_LEN] {
        truncated(hmac::sign(&self.0, authenticated).as_ref())
    }
}

/// The three messages, in the order in which they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Party to gateway: I am here now.
    Bind,
    /// Gateway to where the `bind` came from: say this token from there.
    Challenge,
    /// Party to gateway: the token.
    Answer,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Bind => 1,
            Self::Challenge => 2,
            Self::Answer => 3,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Bind),
            2 => Some(Self::Challenge),
            3 => Some(Self::Answer),
            _ => None,
        }
    }
}

/// A message, as its sender makes it or as it was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Which of the three.
    pub kind: Kind,
    /// Whose address it is about.
    pub route: RouteId,
    /// Higher in each message that a party sends on one control connection; a challenge repeats that of its `bind`.
    pub counter: u64,
    /// What an answer must repeat of its challenge; zero in a `bind`.
    pub token: [u8; TOKEN_LEN],
}

impl Message {
    /// Encodes and authenticates the message.
    #[must_use]
    pub fn encode(&self, key: &BindKey) -> [u8; MESSAGE_LEN] {
        let mut datagram = [0; MESSAGE_LEN];
        let (authenticated, mac) = datagram.split_at_mut(AUTHENTICATED_LEN);
        let route = self.route.bits().to_be_bytes();
        let counter = self.counter.to_be_bytes();
        let fields = [0xc0]
            .into_iter()
            .chain(PRIVATE_VERSION)
            .chain([16])
            .chain([0; CID_LEN])
            .chain([self.kind.code()])
            .chain(route)
            .chain(counter)
            .chain(self.token);
        for (place, byte) in authenticated.iter_mut().zip(fields) {
            *place = byte;
        }
        mac.copy_from_slice(&key.mac(authenticated));
        datagram
    }
}

/// A message whose MAC has not been checked: good for nothing but to find the key by its route.
#[derive(Debug, Clone, Copy)]
pub struct Unverified<'a> {
    claimed: Message,
    authenticated: &'a [u8; AUTHENTICATED_LEN],
    mac: &'a [u8; MAC_LEN],
}

impl<'a> Unverified<'a> {
    /// Decodes a datagram; `None` for any other length, version or form.
    #[must_use]
    pub fn decode(datagram: &'a [u8]) -> Option<Self> {
        let (authenticated, mac) = datagram.split_first_chunk::<AUTHENTICATED_LEN>()?;
        let mac: &[u8; MAC_LEN] = mac.try_into().ok()?;
        let (header, rest) = authenticated.split_first_chunk::<HEADER_LEN>()?;
        let (first, rest_of_header) = header.split_first()?;
        let (version, rest_of_header) = rest_of_header.split_first_chunk::<4>()?;
        let (length, id) = rest_of_header.split_first()?;
        if first & 0x80 == 0
            || *version != PRIVATE_VERSION
            || usize::from(*length) != CID_LEN
            || id.iter().any(|byte| *byte != 0)
        {
            return None;
        }
        let (kind, rest) = rest.split_first()?;
        let (route, rest) = rest.split_first_chunk::<8>()?;
        let (counter, token) = rest.split_first_chunk::<8>()?;
        let claimed = Message {
            kind: Kind::from_code(*kind)?,
            route: RouteId::from_bits(u64::from_be_bytes(*route))?,
            counter: u64::from_be_bytes(*counter),
            token: token.try_into().ok()?,
        };
        Some(Self {
            claimed,
            authenticated,
            mac,
        })
    }

    /// The route that it claims to be about.
    #[must_use]
    pub const fn route(&self) -> RouteId {
        self.claimed.route
    }

    /// Checks the MAC.
    #[must_use]
    pub fn verify(self, key: &BindKey) -> Option<Message> {
        let genuine: bool = key.mac(self.authenticated).ct_eq(self.mac).into();
        genuine.then_some(self.claimed)
    }
}

/// Truncates a MAC to 16 bytes; 128 bits are what RFC 2104, section 5 asks for at least (half of the output).
#[must_use]
pub fn truncated(mac: &[u8]) -> [u8; 16] {
    mac.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::Class;

    fn message(kind: Kind) -> Message {
        let route = RouteId::from_bits(0x8123_4567_89ab_cdef).unwrap();
        Message {
            kind,
            route,
            counter: 0x0102_0304_0506_0708,
            token: [0x5a; TOKEN_LEN],
        }
    }

    #[test]
    fn a_message_reads_back_under_its_key_only() {
        let (key, other) = (BindKey::from_bytes(&[1; 32]), BindKey::from_bytes(&[2; 32]));
        for kind in [Kind::Bind, Kind::Challenge, Kind::Answer] {
            let datagram = message(kind).encode(&key);
            let unverified = Unverified::decode(&datagram).unwrap();
            assert_eq!(unverified.route(), message(kind).route);
            assert_eq!(unverified.verify(&key), Some(message(kind)));
            assert_eq!(unverified.verify(&other), None);
        }
    }

    #[test]
    fn u5_no_altered_bit_passes() {
        let key = BindKey::from_bytes(&[1; 32]);
        let datagram = message(Kind::Answer).encode(&key);
        for bit in 0..MESSAGE_LEN * 8 {
            let mut altered = datagram;
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                Unverified::decode(&altered).and_then(|read| read.verify(&key)),
                None,
                "bit {bit}"
            );
        }
    }

    #[test]
    fn every_message_has_the_length_of_a_bind() {
        let key = BindKey::from_bytes(&[1; 32]);
        assert_eq!(MESSAGE_LEN, 71);
        let datagram = message(Kind::Challenge).encode(&key);
        assert_eq!(Class::of(&datagram), Class::Rebind);
        for length in 0..MESSAGE_LEN {
            assert!(Unverified::decode(&datagram[..length]).is_none());
        }
        assert!(Unverified::decode(&[datagram.as_slice(), &[0]].concat()).is_none());
    }

    #[test]
    fn the_bytes_on_the_wire_do_not_change() {
        let datagram = message(Kind::Bind).encode(&BindKey::from_bytes(&[1; 32]));
        let expected = [
            &[0xc0, 0xad, 0x17, 0, 1, 16][..],
            &[0; 16],
            &[
                1, 0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 1, 2, 3, 4, 5, 6, 7, 8,
            ],
            &[0x5a; 16],
        ]
        .concat();
        assert_eq!(datagram[..AUTHENTICATED_LEN], expected);
    }

    proptest::proptest! {
        #[test]
        fn every_message_reads_back(
            kind in 1_u8..4,
            route in 0_u64..1 << 63,
            counter: u64,
            token: [u8; TOKEN_LEN],
        ) {
            let (kind, route) = (Kind::from_code(kind).unwrap(), RouteId::from_bits(route | 1 << 63).unwrap());
            let (key, message) = (BindKey::from_bytes(&[1; 32]), Message { kind, route, counter, token });
            let datagram = message.encode(&key);
            proptest::prop_assert_eq!(Unverified::decode(&datagram).unwrap().verify(&key), Some(message));
        }

        #[test]
        fn u1_no_bytes_are_a_message_without_the_key(
            datagram in proptest::collection::vec(proptest::num::u8::ANY, 0..2 * MESSAGE_LEN),
        ) {
            let verified = Unverified::decode(&datagram).and_then(|read| read.verify(&BindKey::from_bytes(&[1; 32])));
            proptest::prop_assert_eq!(verified, None);
        }
    }
}
