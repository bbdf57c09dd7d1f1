//! Names that Adit gives to the API server: who somebody is, and which groups.
//!
//! They are checked when a policy is loaded, when a session is decided and once more by their type when headers are
//! written: a line break in a value would end the header (measurement M6), a comma joins two groups in some proxies
//! (M3), an empty user means the connector itself (M4), and `system:` names are the API server's own.

use std::fmt;
use std::str::FromStr;

use adit_proto::roster::check_name;

/// Bytes of the longest name: an e-mail address has at most 254 (RFC 5321, errata 1690).
const NAME_MAX: usize = 256;

/// Why a text is no name for the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("it is empty")]
    Empty,
    /// More bytes than the limit.
    #[error("it is longer than {NAME_MAX} bytes")]
    TooLong,
    /// A control or invisible character, a comma or an asterisk.
    #[error("it has a character that may not stand there")]
    Character,
    /// A space at the beginning or at the end.
    #[error("it begins or ends with a space")]
    Space,
    /// A name of the API server's own.
    #[error("names that begin with system: belong to the API server")]
    System,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The name as text: what the roster takes for a name, and no asterisk.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// The user that the API server sees: the user's name in the roster.
    KubeUserName;
    /// A group that the API server sees.
    KubeGroupName;
}

fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > NAME_MAX {
        return Err(NameError::TooLong);
    }
    // The API server compares exactly; others do not.
    if text
        .as_bytes()
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"system:"))
    {
        return Err(NameError::System);
    }
    if text.trim() != text {
        return Err(NameError::Space);
    }
    // An asterisk means everything in RBAC's rules, and nothing among its subjects.
    if text.contains('*') || check_name(text).is_err() {
        return Err(NameError::Character);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_and_groups_are_taken() {
        for text in [
            "anna@example.com",
            "Anna Meier",
            "devs",
            "oidc:devs",
            "team/a",
            "kubeadm:x",
            "system",
        ] {
            assert_eq!(text.parse::<KubeUserName>().unwrap().as_str(), text);
            assert_eq!(text.parse::<KubeGroupName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn k3_names_that_would_become_other_names_are_refused() {
        for (text, error) in [
            ("", NameError::Empty),
            (
                "alice\nImpersonate-Group: system:masters",
                NameError::Character,
            ),
            ("alice\r", NameError::Space),
            ("alice\0", NameError::Character),
            ("alice\u{7f}", NameError::Character),
            ("alice\tx", NameError::Character),
            ("ali\u{200b}ce", NameError::Character),
            ("\u{202e}ecila", NameError::Character),
            ("ali\u{2028}ce", NameError::Character),
            ("devs, system:masters", NameError::Character),
            ("*", NameError::Character),
            (" alice", NameError::Space),
            ("alice ", NameError::Space),
            (" ", NameError::Space),
            ("system:masters", NameError::System),
            ("System:Masters", NameError::System),
            ("system:", NameError::System),
        ] {
            assert_eq!(text.parse::<KubeUserName>(), Err(error), "{text:?}");
            assert_eq!(text.parse::<KubeGroupName>(), Err(error), "{text:?}");
        }
        assert_eq!(
            "a".repeat(257).parse::<KubeGroupName>(),
            Err(NameError::TooLong)
        );
    }
}
