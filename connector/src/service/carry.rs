//! Bytes of one stream, both ways.

use std::io;

use adit_proto::Reason;
use adit_proto::wire::audit::StreamOutcome;
use adit_proto::wire::audit::record::Event;
use adit_transport::stream::StreamEnd;
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::audit::Audit;
use crate::metered::{Meter, Metered};

/// Counts a stream's bytes, and records its outcome however it ends.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) audit: Audit,
    pub(super) begun: Instant,
    pub(super) event: StreamOutcome,
}

impl Drop for Tally {
    fn drop(&mut self) {
        let mut event = std::mem::take(&mut self.event);
        event.took_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.audit.note(Event::StreamOutcome(event));
    }
}

impl Meter for Tally {
    fn received(&mut self, bytes: u64) {
        self.event.received_bytes += bytes;
    }

    fn sent(&mut self, bytes: u64) {
        self.event.sent_bytes += bytes;
    }
}

/// A connection to a service, for one stream.
#[derive(Debug)]
pub struct Dialled {
    service: Metered<TcpStream, Tally>,
}

impl Dialled {
    pub(super) fn new(stream: TcpStream, tally: Tally) -> Self {
        Self {
            service: Metered::new(stream, tally),
        }
    }

    /// Carries bytes both ways until both ends have closed, each direction by itself. `read` is what was read of the
    /// stream already. A connection that breaks resets the stream.
    ///
    /// # Errors
    /// `target_offline` when the service's side breaks, or the link's.
    ///
    /// # Cancel safety
    /// Dropping it cuts both sides off.
    pub async fn carry<I>(
        mut self,
        mut stream: I,
        read: BytesMut,
        end: &StreamEnd,
    ) -> Result<(), Reason>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let carried = self.copy(&mut stream, &read).await;
        if self.service.is_broken() {
            end.set_code(Reason::TargetOffline.code());
            Reason::TargetOffline
                .as_str()
                .clone_into(&mut self.service.meter.event.reason);
        }
        // Which side broke is in the audit log; here only that it was cut off is told.
        carried.map_err(|_| Reason::TargetOffline)
    }

    pub(super) async fn copy<I>(&mut self, stream: &mut I, read: &[u8]) -> io::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        self.service.write_all(read).await?;
        self.service.carry(stream).await
    }
}
