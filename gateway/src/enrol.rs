//! Enrolment: a device key that is not in the roster, with an invitation (ALPN `adit-enrol/1`, `enrol.proto`).
//!
//! ```text
//! Knocked ─start─▶ Started ─challenge─▶ Challenged ─proof─▶ Proven ─page─▶ Registered
//!    invited:  Registered ─turn─▶ Placed ─statement─▶ done
//!    genesis:  Registered ─touch, page, touched─▶ Placed ─statement─▶ done
//! ```
//!
//! Each state is a struct and each step consumes it. Until the statement is stored nothing exists but a ceremony that
//! expires, so an enrolment that is cut off anywhere leaves the invitation as it was. The gateway holds no key that could
//! have made the statement: it is signed by the invitation, or by the first admin's device and passkey.
//!
//! An invitation key that is not known is turned away by one look-up, before a signature is verified or anything stored.

mod admission;
mod enrolling;
pub mod messages;
mod placing;
mod stream;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::assertion::RelyingParty;
use adit_proto::frame::FrameError;
use adit_proto::key::{InvitationPublicKey, PublicKey};
use adit_proto::wire::enrol::{EnrolRefused, frame::Message};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::audit::Audit;
use crate::ceremony::{Ceremonies, CeremonyError};
use crate::clock::{Clock, Entropy};
use crate::control::{EnrolHandler, Stranger};
use crate::registry::{canonical, close};
use crate::roster_log::{AppendError, RosterLog, TurnError};
use crate::store::deployment::Entry;
use crate::store::{Store, StoreError};
use enrolling::Knocked;
use stream::Stream;

/// A stranger's time until its evidence is verified.
const STRANGER: Duration = Duration::from_secs(10);
/// Exporter label of what an invitation key signs.
pub const BIND: &[u8] = b"EXPORTER-adit-bind";
/// Exporter label of what a device's evidence signs.
pub const EVIDENCE: &[u8] = b"EXPORTER-adit-evidence";

/// Why an enrolment came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The client has gone, or said that it does not go on.
    #[error("the client has gone")]
    Gone,
    /// The stream broke.
    #[error("the stream broke")]
    Stream(#[source] std::io::Error),
    /// The client broke the protocol.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A message that is critical and not known.
    #[error("a message that this version does not know must be understood")]
    Unknown,
    /// A message of another state.
    #[error("a message came out of turn")]
    OutOfTurn,
    /// The client sent more than a stranger may.
    #[error("the client sent more than a stranger may")]
    Budget,
    /// The client took longer than it may.
    #[error("the client took too long")]
    TooSlow,
    /// No such invitation: nothing was done for it.
    #[error("the invitation is not known")]
    UnknownInvitation,
    /// The client was refused, and is told why.
    #[error("refused ({reason}): {detail}")]
    Refused {
        /// The stable reason.
        reason: Reason,
        /// What to do about it.
        detail: String,
    },
    /// The browser's half was refused or did not come.
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
    /// There was no turn at the roster.
    #[error(transparent)]
    Turn(#[from] TurnError),
    /// The statement was refused.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EnrolError {
    fn stream(source: std::io::Error) -> Self {
        Self::Stream(source)
    }

    fn refused(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Refused {
            reason,
            detail: detail.into(),
        }
    }

    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Refused { reason, .. } => *reason,
            Self::UnknownInvitation => Reason::UnknownOrForbidden,
            Self::Unknown => Reason::VersionUnsupported,
            Self::Budget => Reason::LimitReached,
            Self::Gone | Self::Stream(_) | Self::Frame(_) | Self::OutOfTurn => {
                Reason::RequestMalformed
            }
            Self::TooSlow => Reason::TouchExpired,
            Self::Ceremony(error) => error.reason(),
            Self::Turn(error) => error.reason(),
            Self::Append(error) => error.reason(),
            Self::Store(_) => Reason::GatewayUnreachable,
        }
    }

    /// What the client is told; `None` if there is nobody to tell.
    fn told(&self) -> Option<EnrolRefused> {
        let detail = match self {
            Self::Gone | Self::Stream(_) => return None,
            Self::UnknownInvitation => {
                "this gateway does not know the invitation: ask an admin for a new one".to_owned()
            }
            Self::Refused { detail, .. } => detail.clone(),
            Self::Store(_) => "the gateway's store does not answer: try again".to_owned(),
            Self::Append(AppendError::Refused(cause)) => cause.to_string(),
            Self::Frame(_)
            | Self::Unknown
            | Self::OutOfTurn
            | Self::Budget
            | Self::TooSlow
            | Self::Ceremony(_)
            | Self::Turn(_)
            | Self::Append(_) => self.to_string(),
        };
        Some(EnrolRefused {
            reason: self.reason().as_str().to_owned(),
            detail,
        })
    }

    /// Whether something was attempted that the audit log keeps. Noise of strangers is counted only.
    fn is_audited(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. } | Self::Ceremony(_) | Self::Append(_) | Self::Store(_)
        )
    }
}

/// Who knocks, as the handshake proved it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The device key.
    pub key: PublicKey,
    /// Where it comes from.
    pub source: SocketAddr,
    /// 32 bytes of the exporter [`BIND`].
    pub bind: [u8; 32],
    /// 32 bytes of the exporter [`EVIDENCE`].
    pub evidence: [u8; 32],
}

impl Peer {
    /// Takes key and exporters of a connection; `None` if it has no raw public key of P-256.
    #[must_use]
    pub fn of(connection: &quinn::Connection) -> Option<Self> {
        let export = |label: &[u8]| {
            let mut bytes = [0; 32];
            let exported = connection.export_keying_material(&mut bytes, label, b"");
            exported.ok().map(|()| bytes)
        };
        Some(Self {
            key: adit_transport::tls::peer_key(connection)?,
            source: canonical(connection.remote_address()),
            bind: export(BIND)?,
            evidence: export(EVIDENCE)?,
        })
    }
}

/// What enrolments need.
#[derive(Debug)]
pub struct Enrolments {
    /// The browser's half.
    pub ceremonies: Arc<Ceremonies>,
    /// The roster and its turns.
    pub roster: Arc<RosterLog>,
    /// The first invitation's key.
    pub store: Store,
    /// Where refusals and successes are written.
    pub audit: Arc<Audit>,
    /// The wall clock.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
    /// Who asks for the passkey before there is a genesis.
    pub relying_party: RelyingParty,
    /// Successor of the gateways' key, which genesis names.
    pub next_key: PublicKey,
}

impl Enrolments {
    /// The key of the first invitation, if `init` made one.
    async fn first_invitation(&self) -> Result<Option<InvitationPublicKey>, StoreError> {
        let held = self.store.deployment::<32>(Entry::FirstInvitation).await?;
        Ok(held.and_then(|bytes| InvitationPublicKey::from_bytes(&bytes).ok()))
    }

    /// Serves one connection: takes its first stream and goes through the enrolment.
    ///
    /// # Errors
    /// [`EnrolError`], after the client was told.
    ///
    /// # Cancel safety
    /// Dropping it leaves nothing behind but a ceremony that expires.
    pub async fn serve(&self, connection: &quinn::Connection) -> Result<(), EnrolError> {
        let peer = Peer::of(connection).ok_or(EnrolError::Gone)?;
        let deadline = Instant::now() + STRANGER;
        let (writer, reader) = tokio::time::timeout_at(deadline, connection.accept_bi())
            .await
            .map_err(|_| EnrolError::TooSlow)?
            .map_err(|error| EnrolError::Stream(error.into()))?;
        let result = self.serve_stream(peer, reader, writer, deadline).await;
        // The last frame must arrive before the connection is closed; a client that does not close is not waited for.
        let _ = tokio::time::timeout(STRANGER, connection.closed()).await;
        result
    }

    /// As [`Enrolments::serve`], on any stream.
    ///
    /// # Errors
    /// As [`Enrolments::serve`].
    pub async fn serve_stream(
        &self,
        peer: Peer,
        reader: impl AsyncRead + Unpin,
        writer: impl AsyncWrite + Unpin,
        deadline: Instant,
    ) -> Result<(), EnrolError> {
        let mut stream = Stream::new(reader, writer);
        let mut trail = Trail::new(&peer);
        let result = self.enrol(peer, &mut stream, deadline, &mut trail).await;
        if let Err(error) = &result {
            self.note(&trail, error).await;
            if let Some(told) = error.told() {
                // The client may have gone; the error that counts is the first one.
                let _ = stream.write(Message::Refused(told)).await;
            }
        }
        stream.finish().await;
        result
    }

    async fn enrol<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &self,
        peer: Peer,
        stream: &mut Stream<R, W>,
        deadline: Instant,
        trail: &mut Trail,
    ) -> Result<(), EnrolError> {
        let stranger = async {
            let started = Knocked::new(self, peer).start(stream, trail).await?;
            started.challenge(stream).await?.prove(stream).await
        };
        let proven = tokio::time::timeout_at(deadline, stranger)
            .await
            .map_err(|_| EnrolError::TooSlow)??;
        stream.renew_budget();
        let registered = proven.register(stream, trail).await?;
        let placed = registered.place(stream, trail).await?;
        placed.store(stream, trail).await
    }
}

/// Serves strangers of the control plane with the enrolments.
#[derive(Clone, Debug)]
pub struct Enrolling(Arc<Enrolments>);

impl Enrolling {
    /// Serves with `enrolments`.
    #[must_use]
    pub fn new(enrolments: Enrolments) -> Self {
        Self(Arc::new(enrolments))
    }
}

impl EnrolHandler for Enrolling {
    fn enrol(&self, stranger: Stranger) -> BoxFuture<'static, ()> {
        let enrolments = Arc::clone(&self.0);
        Box::pin(async move {
            let reason = match Box::pin(enrolments.serve(&stranger.connection)).await {
                Ok(()) => None,
                Err(error) => Some(error.reason()),
            };
            match reason {
                // The client has what it came for.
                None => stranger.connection.close(0_u32.into(), b""),
                Some(reason) => close(&stranger.connection, reason),
            }
        })
    }
}

/// What is known of an enrolment so far, for the audit log and for the browser's tab.
#[derive(Debug)]
struct Trail {
    source: SocketAddr,
    device: adit_proto::key::Fingerprint,
    device_name: String,
    invitation: String,
    user_id: String,
    user_name: String,
    tab: Option<crate::ceremony::CeremonyId>,
}

impl Trail {
    fn new(peer: &Peer) -> Self {
        Self {
            source: peer.source,
            device: peer.key.fingerprint(),
            device_name: String::new(),
            invitation: String::new(),
            user_id: String::new(),
            user_name: String::new(),
            tab: None,
        }
    }
}
