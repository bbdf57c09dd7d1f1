//! One stream to a service in a cluster, raw bytes both ways.

use adit_proto::Reason;
use adit_proto::target::Target;
use adit_proto::wire::link::Tcp;
use adit_proto::wire::link::stream_header::Kind;
use adit_transport::carry;
use adit_transport::stream::LinkStream;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Seat;
use crate::exit::Failure;
use crate::reset;
use crate::session::Session;

/// A stream to a service.
#[derive(Debug)]
pub struct ServiceStream {
    stream: LinkStream,
    session: Session,
    target: Target,
}

impl ServiceStream {
    /// Opens one, and the session and the link that it needs.
    ///
    /// # Errors
    /// Why it was refused.
    pub async fn open(seat: &Seat, target: &Target) -> Result<Self, Failure> {
        let (stream, session) = seat.stream(target, Kind::Tcp(Tcp {})).await?;
        // Each shutdown is a half-close; what is cut off is reset.
        stream.end().pass_through();
        Ok(Self {
            stream,
            session,
            target: target.clone(),
        })
    }

    /// Carries bytes until both ends have closed, each direction by itself.
    ///
    /// # Errors
    /// Why it was cut off.
    ///
    /// # Cancel safety
    /// Dropping it resets the stream.
    pub async fn carry<I>(mut self, local: &mut I) -> Result<(), Failure>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let target = &self.target;
        let copied = carry::both(local, &mut self.stream);
        tokio::select! {
            copied = copied => copied.map_err(|error| {
                let lost = || reset::is_lost(&error).then_some(Reason::TargetOffline);
                // The end of the session says more than that its link is closed.
                let reason = reset::reason(&error).or_else(|| self.session.ended()).or_else(lost);
                let message = format!("a connection to {target} was cut off");
                match reason {
                    Some(reason) => Failure::of(reason, message),
                    None => Failure::new(format!("{message}: {error}")),
                }
            }),
            () = self.session.over.cancelled() => {
                let reason = self.session.ended().unwrap_or(Reason::SessionExpired);
                Err(Failure::of(reason, format!("the session for {target} has ended")))
            }
        }
    }
}
