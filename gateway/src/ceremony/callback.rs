//! Where a sign-in's page returns to: a loopback port of the agent, and nowhere else.

use std::fmt;
use std::str::FromStr;

const BEFORE: &str = "http://127.0.0.1:";
const AFTER: &str = "/callback";

/// A text that is not exactly `http://127.0.0.1:PORT/callback`, or no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a callback is exactly http://127.0.0.1:PORT/callback, its state 16 to 64 characters of base64url"
)]
pub struct CallbackError;

/// Lengths of a state: from 96 bits to more than any client needs.
const STATE: std::ops::RangeInclusive<usize> = 16..=64;

/// What the agent knows its own callback by: random text of its making, shown to nobody but its own port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackState(String);

impl fmt::Display for CallbackState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CallbackState {
    type Err = CallbackError;

    fn from_str(text: &str) -> Result<Self, CallbackError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (STATE.contains(&text.len()) && text.bytes().all(plain))
            .then(|| Self(text.to_owned()))
            .ok_or(CallbackError)
    }
}

/// The agent's callback. Only the port is kept, so no text of a client ever becomes an address of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Callback(u16);

impl Callback {
    /// The port, which is never zero.
    #[must_use]
    pub fn port(self) -> u16 {
        self.0
    }

    /// Takes a port that was stored; `None` for zero.
    #[must_use]
    pub fn at(port: u16) -> Option<Self> {
        (port != 0).then_some(Self(port))
    }

    /// The address with its two parameters, both made of characters that need no escape.
    #[must_use]
    pub fn with(self, code: &str, state: &CallbackState) -> String {
        format!("{self}?code={code}&state={state}")
    }
}

impl fmt::Display for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEFORE}{}{AFTER}", self.0)
    }
}

impl FromStr for Callback {
    type Err = CallbackError;

    fn from_str(text: &str) -> Result<Self, CallbackError> {
        let callback = text
            .strip_prefix(BEFORE)
            .and_then(|rest| rest.strip_suffix(AFTER))
            .and_then(|port| port.parse().ok())
            .and_then(Self::at)
            .ok_or(CallbackError)?;
        // `parse` takes "+80" and "080"; what is shown again must be what was given.
        (callback.to_string() == text)
            .then_some(callback)
            .ok_or(CallbackError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h17_only_the_loopback_callback_is_taken() {
        assert_eq!("http://127.0.0.1:4711/callback".parse(), Ok(Callback(4711)));
        for bad in [
            "",
            "//evil",
            "/\\evil",
            "%2f%2fevil",
            "http://127.0.0.1:0/callback",
            "http://127.0.0.1:+80/callback",
            "http://127.0.0.1:080/callback",
            "http://127.0.0.1:65536/callback",
            "http://127.0.0.1/callback",
            "http://127.0.0.1:80@evil/callback",
            "http://127.0.0.1:80/callback?x",
            "http://127.0.0.1:80/callback#x",
            "http://127.0.0.1:80/callback\r\nLocation: evil",
            "http://127.0.0.1:80//callback",
            "https://127.0.0.1:80/callback",
            "http://localhost:80/callback",
            "http://[::1]:80/callback",
            "http://127.0.0.1.evil.org:80/callback",
            " http://127.0.0.1:80/callback",
            "HTTP://127.0.0.1:80/callback",
            "javascript:alert(1)",
        ] {
            assert_eq!(bad.parse::<Callback>(), Err(CallbackError), "{bad}");
        }
    }

    #[test]
    fn the_parameters_follow_the_address() {
        let callback = Callback::at(80).unwrap();
        let state = "0123456789abcdef".parse().unwrap();
        let address = callback.with("abc", &state);
        assert_eq!(
            address,
            "http://127.0.0.1:80/callback?code=abc&state=0123456789abcdef"
        );
    }

    #[test]
    fn h17_a_state_cannot_add_to_the_address() {
        let long = "x".repeat(65);
        for bad in [
            "",
            "short",
            "0123456789abcde&",
            "0123456789abcde#",
            "0123456789abcde\n",
            &long,
        ] {
            assert!(bad.parse::<CallbackState>().is_err(), "{bad:?}");
        }
    }
}
