//! The one stream of an enrolment: frames with their bytes as sent, which the evidence covers.

use adit_proto::frame::{self, Limit};
use adit_proto::wire::enrol::{Frame, frame::Message};
use bytes::BytesMut;
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::EnrolError;

/// Bytes of the length prefix.
const PREFIX: usize = 4;

/// A message and the frame that carried it, length included.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) message: Message,
    pub(super) frame: Vec<u8>,
}

/// The stream.
#[derive(Debug)]
pub(super) struct Channel<R, W> {
    reader: R,
    writer: W,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Channel<R, W> {
    pub(super) fn new(reader: R, writer: W) -> Self {
        Self { reader, writer }
    }

    /// Reads the next message that this version knows; what the gateway refuses is an error.
    pub(super) async fn read(&mut self) -> Result<Received, EnrolError> {
        loop {
            let mut frame = vec![0; PREFIX];
            self.reader
                .read_exact(&mut frame)
                .await
                .map_err(EnrolError::Lost)?;
            let prefix = frame.first_chunk().copied().unwrap_or_default();
            let length = frame::length(prefix, Limit::PARTY)
                .map_err(|_| EnrolError::Protocol("a frame of an impossible length"))?;
            frame.resize(PREFIX.saturating_add(length), 0);
            let (_, content) = frame.split_at_mut(PREFIX);
            self.reader
                .read_exact(content)
                .await
                .map_err(EnrolError::Lost)?;
            let parsed = Frame::decode(&*content)
                .map_err(|_| EnrolError::Protocol("a frame that cannot be parsed"))?;
            match (parsed.message, parsed.critical) {
                (Some(Message::Refused(refused)), _) => {
                    return Err(EnrolError::Refused {
                        reason: refused.reason.parse().ok(),
                        detail: plain(&refused.detail),
                    });
                }
                (Some(message), _) => return Ok(Received { message, frame }),
                (None, true) => {
                    return Err(EnrolError::Protocol("a message that must be understood"));
                }
                (None, false) => {}
            }
        }
    }

    /// Writes a message and returns its frame. A gateway that refused meanwhile is heard.
    pub(super) async fn write(&mut self, message: Message) -> Result<Vec<u8>, EnrolError> {
        let frame = Frame {
            critical: false,
            message: Some(message),
        };
        let mut bytes = BytesMut::new();
        frame::put(&frame, Limit::STRANGER, &mut bytes)
            .map_err(|_| EnrolError::Protocol("a message that is too long to send"))?;
        let sent = async {
            self.writer.write_all(&bytes).await?;
            self.writer.flush().await
        };
        match sent.await {
            Ok(()) => Ok(bytes.to_vec()),
            Err(error) => match self.read().await {
                Err(refused @ EnrolError::Refused { .. }) => Err(refused),
                Ok(_) | Err(_) => Err(EnrolError::Lost(error)),
            },
        }
    }
}

/// What the gateway says, without what a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(400)
        .collect()
}
