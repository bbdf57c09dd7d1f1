//! What a service sends, on its way from the agent to the caller of `stream`: in pieces, so that its end can be told
//! from the end of the agent, and says what cut it off.
//!
//! ```text
//! piece = kind u8 ‖ length u32, big endian ‖ bytes
//! ```
//! [`BYTES`] carries what the service sent; [`END`], without bytes, says that it has ended in order; [`FAILED`] carries a
//! [`Failure`] as JSON. The last two end it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::exit::Failure;

const BYTES: u8 = 0;
const END: u8 = 1;
const FAILED: u8 = 2;

/// Bytes that one piece carries at most.
const PIECE_MAX: usize = 64 << 10;

/// The agent's end of a caller's connection: what is written goes out in pieces, what is read is the caller's bytes.
#[derive(Debug)]
pub(super) struct Pieces<S> {
    caller: S,
    /// What has still to be written of one piece.
    piece: BytesMut,
    ended: bool,
}

impl<S: AsyncWrite + Unpin> Pieces<S> {
    pub(super) fn new(caller: S) -> Self {
        Self {
            caller,
            piece: BytesMut::new(),
            ended: false,
        }
    }

    /// Says what cut the service's bytes off, unless they have ended already.
    ///
    /// # Errors
    /// When the caller is gone.
    pub(super) async fn fail(&mut self, failure: &Failure) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        self.flush().await?;
        let text = serde_json::to_vec(failure)?;
        put(&mut self.piece, FAILED, &text);
        self.flush().await
    }

    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.piece.is_empty() {
            let written = ready!(Pin::new(&mut self.caller).poll_write(cx, &self.piece))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.piece.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

fn put(piece: &mut BytesMut, kind: u8, bytes: &[u8]) {
    piece.put_u8(kind);
    piece.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    piece.put_slice(bytes);
}

impl<S: AsyncRead + Unpin> AsyncRead for Pieces<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.caller).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Pieces<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drained(cx))?;
        let (taken, _) = buf.split_at(buf.len().min(PIECE_MAX));
        put(&mut self.piece, BYTES, taken);
        // What is not written now is when more is, or when it is flushed.
        if let Poll::Ready(Err(error)) = self.poll_drained(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drained(cx))?;
        Pin::new(&mut self.caller).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            self.ended = true;
            put(&mut self.piece, END, &[]);
        }
        ready!(self.poll_drained(cx))?;
        Pin::new(&mut self.caller).poll_shutdown(cx)
    }
}

/// Copies to `out` what comes in pieces from the agent, until the service has ended.
///
/// # Errors
/// What cut it off, or that the agent is gone, or that nobody takes what comes.
pub async fn copy_pieces<R, W>(from: &mut R, out: &mut W) -> Result<(), Failure>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let gone = |error: io::Error| Failure::new(format!("the agent is gone: {error}"));
    let untaken = |error: io::Error| Failure::new(format!("nobody takes the answer: {error}"));
    let mut bytes = Vec::new();
    loop {
        let kind = from.read_u8().await.map_err(gone)?;
        let length = from.read_u32().await.map_err(gone)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > PIECE_MAX {
            return Err(Failure::new("the agent sends what no agent sends"));
        }
        bytes.resize(length, 0);
        from.read_exact(&mut bytes).await.map_err(gone)?;
        match kind {
            BYTES => {
                out.write_all(&bytes).await.map_err(untaken)?;
                out.flush().await.map_err(untaken)?;
            }
            END => return Ok(()),
            FAILED => return Err(serde_json::from_slice(&bytes).unwrap_or_else(Failure::new)),
            _ => return Err(Failure::new("the agent is of another version")),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// What the caller gets when the agent writes like this.
    async fn got<F>(
        write: impl FnOnce(Pieces<tokio::io::DuplexStream>) -> F,
    ) -> (Vec<u8>, Result<(), Failure>)
    where
        F: Future<Output = io::Result<()>>,
    {
        // Narrower than a piece's head, so that each write is taken in parts.
        let (near, mut far) = duplex(3);
        let mut out = Vec::new();
        let (written, copied) =
            tokio::join!(write(Pieces::new(near)), copy_pieces(&mut far, &mut out));
        written.unwrap();
        (out, copied)
    }

    #[tokio::test]
    async fn an_answer_that_ended_is_whole() {
        let long = vec![7; 3 * PIECE_MAX + 1];
        let (out, copied) = got(async |mut pieces| {
            pieces.write_all(&long).await?;
            pieces.shutdown().await
        })
        .await;
        assert!(out == long, "{} bytes", out.len());
        assert_eq!(copied, Ok(()));
    }

    #[tokio::test]
    async fn an_answer_that_was_cut_off_has_its_reason_behind_all_that_came() {
        let failure = Failure::of(adit_proto::Reason::SessionRevoked, "it has ended");
        let (out, copied) = got(async |mut pieces| {
            pieces.write_all(b"half of").await?;
            pieces.fail(&failure).await
        })
        .await;
        assert_eq!(out, b"half of");
        assert_eq!(copied, Err(failure));
    }

    #[tokio::test]
    async fn an_agent_that_is_gone_is_no_end() {
        let (out, copied) = got(async |mut pieces| {
            pieces.write_all(b"half of").await?;
            pieces.flush().await
        })
        .await;
        assert_eq!(out, b"half of");
        assert!(copied.unwrap_err().message.starts_with("the agent is gone"));
    }

    #[tokio::test]
    async fn a_failure_behind_the_end_is_not_told() {
        let (out, copied) = got(async |mut pieces| {
            pieces.shutdown().await?;
            pieces.fail(&Failure::new("late")).await
        })
        .await;
        assert_eq!((out.as_slice(), copied), (&[][..], Ok(())));
    }

    #[tokio::test]
    async fn a_piece_of_another_kind_or_beyond_the_bound_is_refused() {
        for head in [
            [3, 0, 0, 0, 0],
            [BYTES, 0, 1, 0, 1],
            [FAILED, 255, 255, 255, 255],
        ] {
            let mut out = Vec::new();
            assert!(
                copy_pieces(&mut head.as_slice(), &mut out).await.is_err(),
                "{head:?}"
            );
        }
    }
}
