//! A QUIC stream that is reset unless it ended in order.
//!
//! Dropping quinn's `SendStream` *finishes* it, so an aborted body that is delimited by its stream would look whole.
//! [`LinkStream`] resets on drop instead, and hyper, which shuts down on abort too, is not believed: only
//! [`StreamEnd::body_complete`] makes a shutdown a finish. After an upgrade [`StreamEnd::pass_through`] makes each
//! shutdown a half-close.
//!
//! ```text
//!  Open ──body_complete──▶ Complete         shutdown or drop: finish
//!   │  └──pass_through──▶ PassThrough       shutdown: finish (half-close); drop without it: reset
//!   └─ shutdown or drop: reset with the code
//! ```

mod budget;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll};

use quinn::{RecvStream, SendStream, VarInt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use budget::{LinkStreams, OpenError, open};

/// How a stream ends when it is shut down or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Ending {
    Open,
    Complete,
    PassThrough,
}

#[derive(Debug)]
struct Shared {
    ending: AtomicU8,
    code: AtomicU32,
}

/// Decides how its stream ends; held by whoever knows what the bytes mean.
#[derive(Debug, Clone)]
pub struct StreamEnd(Arc<Shared>);

impl StreamEnd {
    /// Says that all that was to be sent has been handed over: the next shutdown, or the drop, finishes the stream.
    pub fn body_complete(&self) {
        self.set(Ending::Complete);
    }

    /// Says that the stream carries raw bytes from now on: each shutdown is a half-close.
    pub fn pass_through(&self) {
        self.set(Ending::PassThrough);
    }

    /// Says that the body goes on after all (the next request on a kept stream), or was cut off.
    pub fn body_incomplete(&self) {
        self.set(Ending::Open);
    }

    /// Sets the code that a reset, and a stop of the receiving half, carry.
    pub fn set_code(&self, code: u32) {
        self.0.code.store(code, Ordering::Release);
    }

    fn set(&self, ending: Ending) {
        self.0.ending.store(ending as u8, Ordering::Release);
    }

    fn ending(&self) -> Ending {
        match self.0.ending.load(Ordering::Acquire) {
            ending if ending == Ending::Complete as u8 => Ending::Complete,
            ending if ending == Ending::PassThrough as u8 => Ending::PassThrough,
            _ => Ending::Open,
        }
    }

    fn code(&self) -> VarInt {
        VarInt::from_u32(self.0.code.load(Ordering::Acquire))
    }
}

/// Both halves of a stream, as one thing to read and write.
#[derive(Debug)]
pub struct LinkStream {
    send: SendStream,
    recv: RecvStream,
    end: StreamEnd,
    send_ended: bool,
    recv_ended: bool,
    place: Option<budget::Place>,
}

impl LinkStream {
    /// Takes both halves; `code` is what a reset carries until [`StreamEnd::set_code`] changes it.
    #[must_use]
    pub fn new(send: SendStream, recv: RecvStream, code: u32) -> Self {
        let shared = Shared {
            ending: AtomicU8::new(Ending::Open as u8),
            code: AtomicU32::new(code),
        };
        Self {
            send,
            recv,
            end: StreamEnd(Arc::new(shared)),
            send_ended: false,
            recv_ended: false,
            place: None,
        }
    }

    /// The handle that decides how the stream ends.
    #[must_use]
    pub fn end(&self) -> StreamEnd {
        self.end.clone()
    }

    /// Resets both directions now, with `code`.
    pub fn abort(&mut self, code: u32) {
        self.end.set_code(code);
        self.reset();
    }

    /// Resolves when nobody reads on: the other end stopped or has everything, or the link is lost. What is being made
    /// for it can be given up then.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + Sync + 'static {
        let stopped = self.send.stopped();
        async move {
            // Each outcome says the same.
            let _ = stopped.await;
        }
    }

    fn reset(&mut self) {
        if !self.send_ended {
            self.send_ended = true;
            // Refused only when it was finished or reset already.
            let _ = self.send.reset(self.end.code());
        }
        if !self.recv_ended {
            self.recv_ended = true;
            let _ = self.recv.stop(self.end.code());
        }
    }

    fn finish(&mut self) {
        if !self.send_ended {
            self.send_ended = true;
            let _ = self.send.finish();
        }
    }
}

impl Drop for LinkStream {
    fn drop(&mut self) {
        if self.end.ending() == Ending::Complete {
            self.finish();
        }
        self.reset();
    }
}

impl AsyncRead for LinkStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (before, room) = (buf.filled().len(), buf.remaining());
        let polled = Pin::new(&mut this.recv).poll_read(cx, buf);
        if room > 0 && matches!(polled, Poll::Ready(Ok(()))) && buf.filled().len() == before {
            this.recv_ended = true;
        }
        polled
    }
}

impl AsyncWrite for LinkStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.get_mut().send), cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.get_mut().send), cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.end.ending() {
            Ending::Complete | Ending::PassThrough => this.finish(),
            Ending::Open => this.reset(),
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
