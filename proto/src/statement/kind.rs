//! What a statement is about.

use std::fmt;

/// A number that is no kind which this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("statements of kind {0:#06x} are not known to this version")]
pub struct KindError(pub u32);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal;)*) => {
        /// The kind of a statement. Numbers are on the wire and never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $name = $number,)*
        }

        impl Kind {
            /// Every kind, in the order of its number.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in messages, audit and the command line.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The number on the wire.
            #[must_use]
            pub fn number(self) -> u16 {
                match self { $(Self::$name => $number,)* }
            }
        }

        impl TryFrom<u32> for Kind {
            type Error = KindError;

            fn try_from(number: u32) -> Result<Self, KindError> {
                match number { $($number => Ok(Self::$name),)* _ => Err(KindError(number)) }
            }
        }
    };
}

kinds! {
    /// RP ID, origins, gateways' keys, recovery key, first admin.
    Genesis = 1 "genesis";
    /// Keys of a user that sign as admin, or their end.
    Admin = 2 "admin";
    /// Names, groups, roles.
    User = 3 "user";
    /// Keys that admit a device, a passkey or both.
    Invitation = 4 "invitation";
    /// A device and a passkey of an invited user.
    Enrolment = 5 "enrolment";
    /// An enrolment that waited.
    Approval = 6 "approval";
    /// A further passkey or device of the same user.
    Own = 7 "own";
    /// Names and keys of clusters.
    Cluster = 8 "cluster";
    /// Number and digest of a policy.
    Policy = 9 "policy";
    /// The gateways' keys and origins.
    Gateways = 10 "gateways";
    /// What is trusted no more.
    Revocation = 11 "revocation";
}

impl Kind {
    /// From here on a reader may skip what it does not know.
    pub const SKIPPABLE: u32 = 0x8000;

    /// Whether this version reads the kind; the others are refused by name.
    #[must_use]
    pub fn is_read(self) -> bool {
        match self {
            Self::Genesis
            | Self::User
            | Self::Invitation
            | Self::Enrolment
            | Self::Own
            | Self::Cluster
            | Self::Policy
            | Self::Revocation => true,
            Self::Admin | Self::Approval | Self::Gateways => false,
        }
    }
}

impl From<Kind> for u32 {
    fn from(kind: Kind) -> Self {
        kind.number().into()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_and_others_are_refused() {
        for kind in Kind::ALL {
            assert_eq!(Kind::try_from(u32::from(*kind)), Ok(*kind));
        }
        for number in [0, 12, 0x7fff, 0x8000, 0x1_0001] {
            assert_eq!(Kind::try_from(number), Err(KindError(number)));
        }
    }
}
