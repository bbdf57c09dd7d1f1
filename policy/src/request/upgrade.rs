//! Whether a request asks for an upgrade, and to what.

use http::HeaderMap;
use http::header::{CONNECTION, UPGRADE};

use super::RequestError;

/// A protocol that the API server upgrades to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Upgrade {
    /// RFC 6455, which kubectl uses since 1.30.
    WebSocket,
    /// SPDY/3.1, which older clients use.
    Spdy31,
}

impl Upgrade {
    /// The protocol as `Upgrade` names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Spdy31 => "SPDY/3.1",
        }
    }

    /// Reads `Connection` and `Upgrade`. Both or none: the API server looks at one of them in some places and at
    /// the other in others. The same holds for its answer.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, RequestError> {
        let asks = headers.get_all(CONNECTION).iter().any(|value| {
            value
                .as_bytes()
                .split(|byte| *byte == b',')
                .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        });
        let mut protocols = headers.get_all(UPGRADE).iter();
        match (asks, protocols.next(), protocols.next()) {
            (false, None, _) => Ok(None),
            (true, Some(protocol), None)
                if protocol.as_bytes().eq_ignore_ascii_case(b"websocket") =>
            {
                Ok(Some(Self::WebSocket))
            }
            (true, Some(protocol), None)
                if protocol.as_bytes().eq_ignore_ascii_case(b"spdy/3.1") =>
            {
                Ok(Some(Self::Spdy31))
            }
            _ => Err(RequestError::Upgrade),
        }
    }
}
