//! Bytes of one stream, both ways.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// The bytes of a connection.
#[derive(Debug, Default)]
struct Bytes {
    received: AtomicU64,
    sent: AtomicU64,
}

/// Counts a connection's bytes.
#[derive(Debug)]
pub struct Counter(Arc<Bytes>);

impl Meter for Counter {
    fn received(&mut self, bytes: u64) {
        self.0.received.fetch_add(bytes, Ordering::Relaxed);
    }

    fn sent(&mut self, bytes: u64) {
        self.0.sent.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Records a stream's outcome, with the bytes of its connection, however it ends.
#[derive(Debug)]
pub struct Tally {
    audit: Audit,
    session: Arc<Session>,
    begun: Instant,
    bytes: Arc<Bytes>,
    event: StreamOutcome,
    whole: bool,
}

impl Tally {
    pub(super) fn new(audit: Audit, session: Arc<Session>, stream_id: String) -> Self {
        Self {
            audit,
            session,
            begun: Instant::now(),
            bytes: Arc::default(),
            event: StreamOutcome {
                stream_id,
                ..StreamOutcome::default()
            },
            whole: false,
        }
    }

    /// Says that the stream has ended in order, if it has.
    pub fn whole(&mut self, whole: bool) {
        self.whole = whole;
    }

    /// Says why the stream did not end in order.
    pub fn failed(&mut self, reason: Reason) {
        reason.as_str().clone_into(&mut self.event.reason);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let mut event = std::mem::take(&mut self.event);
        if !self.whole && event.reason.is_empty() {
            self.session.cut().clone_into(&mut event.reason);
        }
        event.took_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        event.received_bytes = self.bytes.received.load(Ordering::Relaxed);
        event.sent_bytes = self.bytes.sent.load(Ordering::Relaxed);
        self.audit.note(Event::StreamOutcome(event));
    }
}

/// A connection to a service, for one stream.
#[derive(Debug)]
pub struct Dialled {
    service: Metered<TcpStream, Counter>,
    tally: Tally,
}

impl Dialled {
    pub(super) fn new(stream: TcpStream, tally: Tally) -> Self {
        Self {
            service: Metered::new(stream, Counter(tally.bytes.clone())),
            tally,
        }
    }

    /// The connection, and what records its outcome.
    #[must_use]
    pub fn into_parts(self) -> (Metered<TcpStream, Counter>, Tally) {
        (self.service, self.tally)
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
        self.tally.whole(carried.is_ok());
        if self.service.is_broken() {
            end.set_code(Reason::TargetOffline.code());
            self.tally.failed(Reason::TargetOffline);
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
