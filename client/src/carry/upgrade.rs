//! Requests that ask for an upgrade: how they are told apart, and the raw bytes after the 101.
//!
//! HTTP/2 has no upgrade: a WebSocket begins with an extended CONNECT there (RFC 8441). It goes on as the HTTP/1.1
//! request that it stands for, so that the connector decides both alike.

use adit_transport::carry;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderMap, Method, StatusCode, request, response};
use hyper::ext::Protocol;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use ring::rand::{SecureRandom, SystemRandom};
use tokio_util::sync::CancellationToken;

use super::body::Guard;

/// How the local client asked for the upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// By `Upgrade`: the answer is a 101.
    ByHeader,
    /// By an extended CONNECT: the answer is a 200.
    ByConnect,
}

impl Asked {
    /// Whether a request asks for one. An extended CONNECT becomes the GET that it stands for.
    pub(super) fn take(parts: &mut request::Parts) -> Option<Self> {
        if parts.method != Method::CONNECT {
            return parts
                .headers
                .contains_key(UPGRADE)
                .then_some(Self::ByHeader);
        }
        let protocol = parts.extensions.remove::<Protocol>()?;
        let protocol = HeaderValue::from_str(protocol.as_str()).ok()?;
        let mut nonce = [0; 16];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let key = HeaderValue::try_from(STANDARD.encode(nonce)).ok()?;
        parts.method = Method::GET;
        parts.headers.insert(UPGRADE, protocol);
        parts.headers.insert(SEC_WEBSOCKET_KEY, key);
        let version = HeaderValue::from_static("13");
        parts.headers.insert(SEC_WEBSOCKET_VERSION, version);
        Some(Self::ByConnect)
    }

    /// Makes the connector's 101 the answer to what was asked.
    pub(super) fn answer(self, parts: &mut response::Parts) {
        match self {
            // The connector's `Connection` is about its stream, which carries nothing else.
            Self::ByHeader => {
                let upgrade = HeaderValue::from_static("Upgrade");
                parts.headers.insert(CONNECTION, upgrade);
            }
            Self::ByConnect => {
                parts.status = StatusCode::OK;
                drop_handshake(&mut parts.headers);
            }
        }
    }
}

fn drop_handshake(headers: &mut HeaderMap) {
    for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT] {
        headers.remove(name);
    }
}

/// Carries raw bytes until both ends have closed, each direction by itself, or the session is over. `guard` ends what
/// drives the stream if it never comes to that.
pub(super) async fn splice(
    (local, remote): (OnUpgrade, OnUpgrade),
    guard: Guard,
    pass_through: impl FnOnce(),
    over: CancellationToken,
) {
    let Ok((local, remote)) = tokio::try_join!(local, remote) else {
        return;
    };
    pass_through();
    drop(guard);
    tokio::select! {
        () = carry(local, remote) => {}
        () = over.cancelled() => {}
    }
}

async fn carry(local: Upgraded, remote: Upgraded) {
    let (mut local, mut remote) = (TokioIo::new(local), TokioIo::new(remote));
    let carried = carry::both(&mut local, &mut remote).await;
    if let Err(error) = carried {
        let error: &dyn std::error::Error = &error;
        tracing::debug!(error, "A stream ended early.");
    }
}
