//! Raw bytes between two streams, both ways, each direction by itself.
//!
//! A stream that waits holds no buffer: bytes are read into one that all streams of a thread share, and written from
//! there. Only what the other side does not take at once is kept, and while it is, nothing more is read.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is read at once, in bytes.
const BUFFER: usize = 64 << 10;
/// Reads in one turn, after which others have theirs.
const READS: usize = 16;

thread_local! {
    /// Empty until it is needed, and while a stream has it.
    static SHARED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Carries bytes between `one` and `other` until both have closed. When one of them ends, the other is shut down.
///
/// # Errors
/// When either side breaks. What was read before and not written yet is lost.
///
/// # Cancel safety
/// Dropping it leaves both sides where they are, without what was read and not written yet.
pub async fn both<A, B>(one: &mut A, other: &mut B) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut there, mut back) = (Direction::default(), Direction::default());
    poll_fn(|cx| {
        let there = there.poll(cx, one, other)?;
        let back = back.poll(cx, other, one)?;
        if there.is_ready() && back.is_ready() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    })
    .await
}

/// One direction.
#[derive(Debug, Default)]
struct Direction {
    /// Read, and not taken yet.
    kept: Vec<u8>,
    /// Of what is kept, how much was written.
    written: usize,
    unflushed: bool,
    stage: Stage,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// Nothing more comes.
    Ended,
    /// And the other side knows.
    Shut,
}

impl Direction {
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        for _ in 0..READS {
            ready!(self.poll_kept(cx, to))?;
            match self.stage {
                Stage::Open => {}
                Stage::Ended => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.stage = Stage::Shut;
                    return Poll::Ready(Ok(()));
                }
                Stage::Shut => return Poll::Ready(Ok(())),
            }
            if self.poll_read(cx, from, to)?.is_pending() {
                if self.unflushed {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what is kept, and gives its memory back.
    fn poll_kept<W>(&mut self, cx: &mut Context<'_>, to: &mut W) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        while let Some(rest) = self.kept.get(self.written..).filter(|it| !it.is_empty()) {
            self.written += ready!(poll_some(cx, to, rest))?;
        }
        (self.kept, self.written) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    /// Reads once, writes what is taken at once, and keeps the rest. Ready even if nothing was taken.
    fn poll_read<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut shared = SHARED.take();
        shared.resize(BUFFER, 0);
        let mut buffer = ReadBuf::new(&mut shared);
        let read = Pin::new(from).poll_read(cx, &mut buffer);
        let polled = read.map(|read| read.and_then(|()| self.take(cx, buffer.filled(), to)));
        SHARED.set(shared);
        polled
    }

    /// Writes of `read` what is taken at once, and keeps the rest.
    fn take<W>(&mut self, cx: &mut Context<'_>, read: &[u8], to: &mut W) -> io::Result<()>
    where
        W: AsyncWrite + Unpin,
    {
        if read.is_empty() {
            self.stage = Stage::Ended;
            return Ok(());
        }
        self.unflushed = true;
        let mut rest = read;
        while !rest.is_empty() {
            match poll_some(cx, to, rest)? {
                Poll::Ready(written) => rest = rest.get(written..).unwrap_or_default(),
                Poll::Pending => {
                    self.kept = rest.to_vec();
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Writes at least a byte.
fn poll_some<W>(cx: &mut Context<'_>, to: &mut W, bytes: &[u8]) -> Poll<io::Result<usize>>
where
    W: AsyncWrite + Unpin,
{
    match ready!(Pin::new(to).poll_write(cx, bytes))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        written => Poll::Ready(Ok(written)),
    }
}

#[cfg(test)]
mod tests;
