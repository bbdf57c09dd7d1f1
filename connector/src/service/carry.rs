//! Bytes of one stream, both ways.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use adit_proto::Reason;
use adit_proto::wire::audit::StreamOutcome;
use adit_proto::wire::audit::record::Event;
use adit_transport::stream::StreamEnd;
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::audit::Audit;

/// What is read at once in each direction, in bytes.
const BUFFER: usize = 64 << 10;

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

/// A connection to a service, for one stream.
#[derive(Debug)]
pub struct Dialled {
    counted: Counted,
}

/// The service's side, counted.
#[derive(Debug)]
struct Counted {
    stream: TcpStream,
    tally: Tally,
}

impl Dialled {
    pub(super) fn new(stream: TcpStream, tally: Tally) -> Self {
        Self {
            counted: Counted { stream, tally },
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
        if carried.is_err() {
            end.set_code(Reason::TargetOffline.code());
            Reason::TargetOffline
                .as_str()
                .clone_into(&mut self.counted.tally.event.reason);
        }
        // Either side may break; only that it was cut off is told.
        carried.map_err(|_| Reason::TargetOffline)
    }

    pub(super) async fn copy<I>(&mut self, stream: &mut I, read: &[u8]) -> io::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        self.counted.write_all(read).await?;
        copy_bidirectional_with_sizes(stream, &mut self.counted, BUFFER, BUFFER)
            .await
            .map(|_| ())
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.tally.event.sent_bytes += (buf.filled().len() - before) as u64;
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = &polled {
            this.tally.event.received_bytes += *written as u64;
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
