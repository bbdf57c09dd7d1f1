//! Raw bytes both ways between a link's stream and whatever is behind this connector, counted.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

/// What is read at once in each direction, in bytes.
const BUFFER: usize = 64 << 10;

/// Counts the bytes of a stream.
pub trait Meter: Unpin {
    /// Bytes that came from the client.
    fn received(&mut self, bytes: u64);
    /// Bytes that went to the client.
    fn sent(&mut self, bytes: u64);
}

/// What is behind the connector, with the meter of the stream that it is carried on.
#[derive(Debug)]
pub struct Metered<S, M> {
    stream: S,
    broken: bool,
    /// Told of each byte.
    pub meter: M,
}

impl<S, M> Metered<S, M>
where
    S: AsyncRead + AsyncWrite + Unpin,
    M: Meter,
{
    /// Counts the bytes of `stream` in `meter`.
    pub fn new(stream: S, meter: M) -> Self {
        Self {
            stream,
            broken: false,
            meter,
        }
    }

    /// Whether it was this side that broke, and not the client's.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Carries bytes both ways until both ends have closed, each direction by itself.
    ///
    /// # Errors
    /// When either side breaks.
    ///
    /// # Cancel safety
    /// Dropping it leaves both sides where they are.
    pub async fn carry<I>(&mut self, client: &mut I) -> io::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        copy_bidirectional_with_sizes(client, self, BUFFER, BUFFER)
            .await
            .map(|_| ())
    }
}

impl<S: AsyncRead + Unpin, M: Meter> AsyncRead for Metered<S, M> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.meter.sent((buf.filled().len() - before) as u64);
        this.broken |= matches!(polled, Poll::Ready(Err(_)));
        polled
    }
}

impl<S: AsyncWrite + Unpin, M: Meter> AsyncWrite for Metered<S, M> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, buf);
        match &polled {
            Poll::Ready(Ok(written)) => this.meter.received(*written as u64),
            Poll::Ready(Err(_)) => this.broken = true,
            Poll::Pending => {}
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
