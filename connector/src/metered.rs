//! Raw bytes both ways between a link's stream and whatever is behind this connector, counted.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use adit_transport::carry;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

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
        carry::both(client, self).await
    }
}

impl<S, M> Metered<S, M> {
    fn seen<T>(&mut self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.broken |= matches!(polled, Poll::Ready(Err(_)));
        polled
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
        this.seen(polled)
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
        if let Poll::Ready(Ok(written)) = polled {
            this.meter.received(written as u64);
        }
        this.seen(polled)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        this.seen(polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.seen(polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    struct Nothing;

    impl Meter for Nothing {
        fn received(&mut self, _: u64) {}
        fn sent(&mut self, _: u64) {}
    }

    /// Takes bytes, and breaks when they are flushed or when it is shut down.
    struct Late {
        at_flush: bool,
    }

    impl AsyncRead for Late {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Late {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            let broken = Err(io::ErrorKind::BrokenPipe.into());
            Poll::Ready(if self.at_flush { broken } else { Ok(()) })
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }
    }

    #[tokio::test]
    async fn a_side_that_breaks_when_it_is_flushed_or_shut_down_is_the_broken_one() {
        for at_flush in [true, false] {
            let mut upstream = Metered::new(Late { at_flush }, Nothing);
            let (mut client, mut near) = duplex(64);
            client.write_all(b"bytes").await.unwrap();
            client.shutdown().await.unwrap();
            assert!(upstream.carry(&mut near).await.is_err());
            assert!(upstream.is_broken(), "at flush: {at_flush}");
        }
    }

    #[tokio::test]
    async fn a_client_that_breaks_leaves_the_other_side_whole() {
        let (behind, mut server) = duplex(64);
        let mut upstream = Metered::new(behind, Nothing);
        let answer = async { server.write_all(b"answer").await };
        let mut client = tokio::io::join(tokio::io::empty(), Late { at_flush: true });
        let (carried, answered) = tokio::join!(upstream.carry(&mut client), answer);
        assert!(carried.is_err() && answered.is_ok());
        assert!(!upstream.is_broken());
    }
}
