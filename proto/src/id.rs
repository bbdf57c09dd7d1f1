//! Ids: a prefix, an underscore and a ULID in 26 lower-case characters.

use std::fmt;
use std::str::FromStr;
use ulid::Ulid;

use crate::time::UnixMillis;

/// Why a text is not an id of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_ and 26 lower-case characters")]
pub struct IdError {
    /// The prefix that was wanted.
    pub prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The prefix of its text form.
            pub const PREFIX: &str = $prefix;

            /// Makes an id from the caller's clock and randomness.
            #[must_use]
            pub fn from_parts(now: UnixMillis, random: [u8; 10]) -> Self {
                Self(ulid(now, random))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                show($prefix, self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                read($prefix, text).map(Self)
            }
        }
    )*};
}

ids! {
    /// A user.
    UserId = "usr";
    /// A passkey.
    PasskeyId = "psk";
    /// A device.
    DeviceId = "dev";
    /// A cluster.
    ClusterId = "clu";
    /// A service.
    ServiceId = "svc";
    /// A policy version.
    PolicyId = "pol";
    /// A recording.
    RecordingId = "rec";
    /// An audit event.
    EventId = "evt";
    /// A sign-in.
    SignInId = "sgn";
    /// A session.
    SessionId = "ses";
    /// An invitation.
    InvitationId = "inv";
}

/// The id of one request: the 26 characters alone, as `Audit-ID` carries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(u128);

impl RequestId {
    /// Makes an id from the caller's clock and randomness.
    #[must_use]
    pub fn from_parts(now: UnixMillis, random: [u8; 10]) -> Self {
        Self(ulid(now, random))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; ulid::ULID_LEN];
        f.write_str(lower(self.0, &mut buffer))
    }
}

fn ulid(now: UnixMillis, random: [u8; 10]) -> u128 {
    let mut wide = [0; 16];
    let (_, low) = wide.split_at_mut(6);
    low.copy_from_slice(&random);
    Ulid::from_parts(now.0, u128::from_be_bytes(wide)).0
}

fn lower(value: u128, buffer: &mut [u8; ulid::ULID_LEN]) -> &str {
    let text = Ulid(value).array_to_str(buffer);
    text.make_ascii_lowercase();
    text
}

fn show(prefix: &str, value: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut buffer = [0; ulid::ULID_LEN];
    write!(f, "{prefix}_{}", lower(value, &mut buffer))
}

fn read(prefix: &'static str, text: &str) -> Result<u128, IdError> {
    let error = IdError { prefix };
    let rest = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .ok_or(error)?;
    let canonical = rest
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let value = Ulid::from_string(rest).map_err(|_| error)?.0;
    let mut buffer = [0; ulid::ULID_LEN];
    (canonical && lower(value, &mut buffer) == rest)
        .then_some(value)
        .ok_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_reads_back_what_it_shows(ms in 0_u64..1 << 48, random: [u8; 10]) {
            let id = SessionId::from_parts(UnixMillis(ms), random);
            prop_assert_eq!(id.to_string().parse::<SessionId>(), Ok(id));
            prop_assert_eq!(id.to_string().len(), 30);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<UserId>();
        }
    }

    #[test]
    fn another_prefix_upper_case_and_overflow_are_refused() {
        let id = UserId::from_parts(UnixMillis(1), [7; 10]).to_string();
        assert!(id.parse::<DeviceId>().is_err());
        assert!(id.to_uppercase().parse::<UserId>().is_err());
        assert!("usr_zzzzzzzzzzzzzzzzzzzzzzzzzz".parse::<UserId>().is_err());
    }
}
