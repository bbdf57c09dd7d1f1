//! The one stream of an enrolment: frames with their bytes as sent, within a budget.

use adit_proto::frame::{self, FrameError, Limit};
use adit_proto::wire::enrol::{Frame, frame::Message};
use bytes::{Buf, Bytes, BytesMut};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::EnrolError;
use super::messages::{Sender, declared};

/// How much is read at once, in bytes.
const READ_AHEAD: usize = 4096;
/// Bytes of the length prefix.
const PREFIX: usize = 4;

/// A message and the frame that carried it, length included: what the evidence digest covers.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) message: Message,
    pub(super) frame: Bytes,
}

/// The stream. What the client sends in all stays below a stranger's budget, before the proof and after.
#[derive(Debug)]
pub(super) struct Stream<R, W> {
    reader: R,
    writer: W,
    buffer: BytesMut,
    left: usize,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Stream<R, W> {
    pub(super) fn new(reader: R, writer: W) -> Self {
        let left = Limit::STRANGER.bytes();
        Self {
            reader,
            writer,
            buffer: BytesMut::new(),
            left,
        }
    }

    /// Gives the client a new budget, once it has proved its key.
    pub(super) fn renew_budget(&mut self) {
        self.left = Limit::STRANGER.bytes();
    }

    /// Reads the next message that this version knows.
    ///
    /// # Cancel safety
    /// Nothing is lost: what was read stays for the next call.
    pub(super) async fn read(&mut self) -> Result<Received, EnrolError> {
        loop {
            if let Some(frame) = self.take()? {
                let content = frame.get(PREFIX..).unwrap_or_default();
                let parsed = Frame::decode(content).map_err(FrameError::Malformed)?;
                match (parsed.message, parsed.critical) {
                    (Some(message), _) if declared(&message).from == Sender::Gateway => {
                        return Err(EnrolError::OutOfTurn);
                    }
                    (Some(message), _) => return Ok(Received { message, frame }),
                    (None, true) => return Err(EnrolError::Unknown),
                    (None, false) => continue,
                }
            }
            self.fill().await?;
        }
    }

    /// Returns when the client has gone or said something although it is not its turn.
    pub(super) async fn disturbed(&mut self) -> EnrolError {
        match self.read().await {
            Ok(Received {
                message: Message::Refused(_),
                ..
            }) => EnrolError::Gone,
            Ok(_) => EnrolError::OutOfTurn,
            Err(error) => error,
        }
    }

    /// Writes a message and returns its frame.
    pub(super) async fn write(&mut self, message: Message) -> Result<Bytes, EnrolError> {
        let frame = Frame {
            critical: false,
            message: Some(message),
        };
        let mut bytes = BytesMut::new();
        frame::put(&frame, Limit::PARTY, &mut bytes)?;
        let bytes = bytes.freeze();
        self.writer
            .write_all(&bytes)
            .await
            .map_err(EnrolError::stream)?;
        self.writer.flush().await.map_err(EnrolError::stream)?;
        Ok(bytes)
    }

    /// Says that nothing follows.
    pub(super) async fn finish(mut self) {
        // The client may have gone already; there is nobody to tell.
        let _ = self.writer.shutdown().await;
    }

    fn take(&mut self) -> Result<Option<Bytes>, EnrolError> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let whole = PREFIX + frame::length(*prefix, Limit::STRANGER)?;
        if self.buffer.remaining() < whole {
            return Ok(None);
        }
        Ok(Some(self.buffer.split_to(whole).freeze()))
    }

    async fn fill(&mut self) -> Result<(), EnrolError> {
        self.buffer.reserve(READ_AHEAD);
        let read = self.reader.read_buf(&mut self.buffer).await;
        let read = read.map_err(EnrolError::stream)?;
        if read == 0 {
            return Err(EnrolError::Gone);
        }
        self.left = self.left.checked_sub(read).ok_or(EnrolError::Budget)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adit_proto::wire::enrol::{EnrolRefused, EnrolTouch};

    fn frame_of(message: Option<Message>, critical: bool) -> BytesMut {
        let mut bytes = BytesMut::new();
        frame::put(&Frame { critical, message }, Limit::STRANGER, &mut bytes).unwrap();
        bytes
    }

    fn touch(length: usize) -> Message {
        Message::Touch(EnrolTouch {
            body_hash: vec![7; length],
        })
    }

    #[tokio::test]
    async fn a_message_comes_with_its_frame_as_sent() {
        let sent = frame_of(Some(touch(32)), false);
        let mut stream = Stream::new(&sent[..], tokio::io::sink());
        let received = stream.read().await.unwrap();
        assert_eq!(received.message, touch(32));
        assert_eq!(received.frame, sent);
        assert!(matches!(stream.read().await, Err(EnrolError::Gone)));
    }

    #[tokio::test]
    async fn c3_an_unknown_message_is_skipped_unless_it_is_critical() {
        // Field 100 with an empty message: nothing that this version knows. Field 1 is `critical`.
        let unknown = [0xa2, 0x06, 0x00];
        let known = frame_of(Some(touch(1)), false);
        let sent = [&[0, 0, 0, 3][..], &unknown, &known].concat();
        let mut stream = Stream::new(&sent[..], tokio::io::sink());
        assert_eq!(stream.read().await.unwrap().message, touch(1));
        let sent = [&[0, 0, 0, 5, 0x08, 0x01][..], &unknown].concat();
        let mut stream = Stream::new(&sent[..], tokio::io::sink());
        assert!(matches!(stream.read().await, Err(EnrolError::Unknown)));
    }

    #[tokio::test]
    async fn a_stranger_gets_no_more_than_its_budget() {
        let one = frame_of(Some(touch(60_000)), false);
        let sent = [&one[..], &one].concat();
        let mut stream = Stream::new(&sent[..], tokio::io::sink());
        stream.read().await.unwrap();
        assert!(matches!(stream.read().await, Err(EnrolError::Budget)));
        let mut stream = Stream::new(&sent[..], tokio::io::sink());
        stream.read().await.unwrap();
        stream.renew_budget();
        stream.read().await.unwrap();
    }

    #[tokio::test]
    async fn c1_lengths_of_zero_and_above_the_limit_end_it() {
        for prefix in [[0; 4], [0xff; 4], [0, 1, 0, 1]] {
            let mut stream = Stream::new(&prefix[..], tokio::io::sink());
            assert!(matches!(stream.read().await, Err(EnrolError::Frame(_))));
        }
    }

    #[tokio::test]
    async fn a_client_that_refuses_is_gone() {
        let refused = Message::Refused(EnrolRefused::default());
        let sent = frame_of(Some(refused), false);
        let mut stream = Stream::new(&sent[..], tokio::io::sink());
        assert!(matches!(stream.disturbed().await, EnrolError::Gone));
    }
}
