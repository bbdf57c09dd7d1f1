//! Frames of [`adit_proto::frame`] over any byte stream.

use adit_proto::frame::{self, FrameError, Limit};
use bytes::BytesMut;
use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How much is read at once, in bytes: a frame of the control protocol is rarely longer.
const READ_AHEAD: usize = 4096;

/// Why no frame was read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameIoError {
    /// The other end broke the protocol: close with its code.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
    /// The stream is gone.
    #[error("the stream is gone")]
    Stream(#[source] std::io::Error),
}

/// Reads frames.
#[derive(Debug)]
pub struct FrameReader<R> {
    stream: R,
    buffer: BytesMut,
    limit: Limit,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads frames of at most `limit` from `stream`.
    #[must_use]
    pub fn new(stream: R, limit: Limit) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            limit,
        }
    }

    /// Reads the next frame; `None` when the stream ended after a whole one.
    ///
    /// Nothing is allocated for a frame that is longer than the limit.
    ///
    /// # Errors
    /// [`FrameIoError`].
    ///
    /// # Cancel safety
    /// Nothing is lost: what was read of a frame stays for the next call.
    pub async fn read<M: Message + Default>(&mut self) -> Result<Option<M>, FrameIoError> {
        loop {
            if let Some(message) = frame::take(&mut self.buffer, self.limit)? {
                return Ok(Some(message));
            }
            self.buffer.reserve(READ_AHEAD);
            let read = self
                .stream
                .read_buf(&mut self.buffer)
                .await
                .map_err(FrameIoError::Stream)?;
            if read == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(FrameIoError::Truncated)
                };
            }
        }
    }

    /// Gives the stream back, with what was read of it beyond the last frame.
    #[must_use]
    pub fn into_parts(self) -> (R, BytesMut) {
        (self.stream, self.buffer)
    }
}

/// Writes frames.
#[derive(Debug)]
pub struct FrameWriter<W> {
    stream: W,
    buffer: BytesMut,
    limit: Limit,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    /// Writes frames of at most `limit`, which is what the other end reads.
    #[must_use]
    pub fn new(stream: W, limit: Limit) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            limit,
        }
    }

    /// Writes one frame and flushes it.
    ///
    /// # Errors
    /// [`FrameIoError::Frame`] for a message beyond the limit, of which nothing is written.
    ///
    /// # Cancel safety
    /// Nothing is lost or doubled: what was not written of a frame goes out before the next one.
    pub async fn write<M: Message>(&mut self, message: &M) -> Result<(), FrameIoError> {
        frame::put(message, self.limit, &mut self.buffer)?;
        while !self.buffer.is_empty() {
            self.stream
                .write_buf(&mut self.buffer)
                .await
                .map_err(FrameIoError::Stream)?;
        }
        self.stream.flush().await.map_err(FrameIoError::Stream)
    }

    /// Gives the stream back.
    #[must_use]
    pub fn into_inner(self) -> W {
        self.stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_cross_a_stream_that_gives_them_in_pieces() {
        let (near, far) = tokio::io::duplex(3);
        let mut reader = FrameReader::new(far, Limit::STRANGER);
        let send = async move {
            let mut writer = FrameWriter::new(near, Limit::STRANGER);
            for text in ["first", "second"] {
                writer.write(&text.to_owned()).await.unwrap();
            }
        };
        let receive = async {
            let mut read = Vec::new();
            while let Some(text) = reader.read::<String>().await.unwrap() {
                read.push(text);
            }
            read
        };
        let ((), read) = tokio::join!(send, receive);
        assert_eq!(read, ["first", "second"]);
    }

    #[tokio::test]
    async fn c1_a_length_beyond_the_limit_is_refused_before_allocation() {
        for prefix in [[0; 4], [0xff; 4]] {
            let mut reader = FrameReader::new(&prefix[..], Limit::STRANGER);
            let refused = reader.read::<String>().await;
            assert!(matches!(
                refused,
                Err(FrameIoError::Frame(FrameError::Length { .. }))
            ));
            assert!(reader.buffer.capacity() < 2 * READ_AHEAD);
        }
    }

    #[tokio::test]
    async fn c1_a_frame_that_is_cut_off_anywhere_is_an_error() {
        let mut whole = BytesMut::new();
        frame::put(&"text".to_owned(), Limit::STRANGER, &mut whole).unwrap();
        for cut in 1..whole.len() {
            let mut reader = FrameReader::new(&whole[..cut], Limit::STRANGER);
            assert!(
                matches!(reader.read::<String>().await, Err(FrameIoError::Truncated)),
                "{cut}"
            );
        }
        let mut reader = FrameReader::new(&whole[..], Limit::STRANGER);
        assert_eq!(
            reader.read::<String>().await.unwrap().as_deref(),
            Some("text")
        );
        assert_eq!(reader.read::<String>().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_frame_beyond_the_limit_is_not_written() {
        let mut written = Vec::new();
        let mut writer = FrameWriter::new(&mut written, Limit::STRANGER);
        let refused = writer.write(&"x".repeat(Limit::STRANGER.bytes() + 1)).await;
        assert!(matches!(
            refused,
            Err(FrameIoError::Frame(FrameError::Length { .. }))
        ));
        assert!(written.is_empty());
    }
}
