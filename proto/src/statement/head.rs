//! A position in the log.

use crate::label::Hash;
use crate::time::UnixMillis;
use crate::wire::roster as wire;

/// A head as sent whose fields do not have the lengths of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a head of a roster")]
pub struct HeadError;

/// The newest statement of a log that a party holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Hash of the genesis statement; zero where there is no log yet.
    pub genesis: Hash,
    /// Number of the newest statement; genesis is 1.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its time.
    pub time: UnixMillis,
}

impl Head {
    /// The head before genesis.
    #[must_use]
    pub fn none() -> Self {
        Self {
            genesis: [0; 32],
            number: 0,
            hash: [0; 32],
            time: UnixMillis(0),
        }
    }

    /// Whether there is no log yet.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.number == 0
    }

    /// The head as sent.
    #[must_use]
    pub fn to_wire(&self) -> wire::Head {
        if self.is_none() {
            return wire::Head::default();
        }
        wire::Head {
            genesis: self.genesis.to_vec(),
            number: self.number,
            hash: self.hash.to_vec(),
            time_ms: self.time.0,
        }
    }
}

impl TryFrom<&wire::Head> for Head {
    type Error = HeadError;

    fn try_from(head: &wire::Head) -> Result<Self, HeadError> {
        if *head == wire::Head::default() {
            return Ok(Self::none());
        }
        if head.number == 0 {
            return Err(HeadError);
        }
        Ok(Self {
            genesis: head.genesis.as_slice().try_into().map_err(|_| HeadError)?,
            number: head.number,
            hash: head.hash.as_slice().try_into().map_err(|_| HeadError)?,
            time: UnixMillis(head.time_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_read_back() {
        let head = Head {
            genesis: [1; 32],
            number: 7,
            hash: [2; 32],
            time: UnixMillis(3),
        };
        assert_eq!(Head::try_from(&head.to_wire()), Ok(head));
        assert_eq!(Head::try_from(&Head::none().to_wire()), Ok(Head::none()));
    }

    #[test]
    fn other_lengths_are_refused() {
        let head = Head {
            genesis: [1; 32],
            number: 7,
            hash: [2; 32],
            time: UnixMillis(3),
        };
        let mut wire = head.to_wire();
        wire.hash.pop();
        assert_eq!(Head::try_from(&wire), Err(HeadError));
        let zero = wire::Head {
            number: 0,
            ..head.to_wire()
        };
        assert_eq!(Head::try_from(&zero), Err(HeadError));
    }
}
