//! Bytes of one stream, both ways.

use std::io;
use std::sync::Arc;

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
use crate::session::Session;

/// Counts a stream's bytes, and records its outcome however it ends.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) audit: Audit,
    pub(super) session: Arc<Session>,
    pub(super) begun: Instant,
    pub(super) event: StreamOutcome,
    pub(super) whole: bool,
}

impl Drop for Tally {
    fn drop(&mut self) {
        let mut event = std::mem::take(&mut self.event);
        if !self.whole && event.reason.is_empty() {
            self.session.cut().clone_into(&mut event.reason);
        }
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
    /// stream already. A connection that breaks resets the stream with `target_offline`; whether it did, or the client
    /// gave up, is in the audit log.
    ///
    /// # Cancel safety
    /// Dropping it cuts both sides off.
    pub async fn carry<I>(mut self, mut stream: I, read: BytesMut, end: &StreamEnd)
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let carried = self.copy(&mut stream, &read).await;
        let broken = self.service.is_broken();
        let tally = &mut self.service.meter;
        tally.whole = carried.is_ok();
        if broken {
            end.set_code(Reason::TargetOffline.code());
            Reason::TargetOffline
                .as_str()
                .clone_into(&mut tally.event.reason);
        }
    }

    pub(super) async fn copy<I>(&mut self, stream: &mut I, read: &[u8]) -> io::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        self.service.write_all(read).await?;
        self.service.carry(stream).await
    }
}
