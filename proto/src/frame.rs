//! Length-delimited frames: a u32 length, big endian, then a protobuf message.

use bytes::{Buf, BufMut, BytesMut};
use prost::Message;

/// Bytes of the length prefix.
const PREFIX: usize = 4;

/// How long a frame may be, judged before anything is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u32);

impl Limit {
    /// 64 KiB: whoever has not authenticated yet.
    pub const STRANGER: Self = Self(64 << 10);
    /// 1 MiB: a party of the roster.
    pub const PARTY: Self = Self(1 << 20);

    /// The limit in bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.0 as usize
    }
}

/// Why a frame is refused. Each ends the stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The announced length is zero or above the limit.
    #[error("a frame of {length} bytes is outside 1 to {limit}")]
    Length {
        /// The announced length.
        length: u32,
        /// The limit in force.
        limit: u32,
    },
    /// The content is not the message.
    #[error("the frame is not a message of this protocol")]
    Malformed(#[source] prost::DecodeError),
}

/// Reads the length prefix of a frame.
///
/// # Errors
/// [`FrameError::Length`] if it lies outside 1 to `limit`.
pub fn length(prefix: [u8; PREFIX], limit: Limit) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(prefix);
    if length == 0 || length > limit.0 {
        let limit = limit.0;
        return Err(FrameError::Length { length, limit });
    }
    Ok(length as usize)
}

/// Takes one whole frame off the front of `buffer`; `None` until it is there.
///
/// # Errors
/// Those of [`length`], and [`FrameError::Malformed`].
pub fn take<M: Message + Default>(
    buffer: &mut BytesMut,
    limit: Limit,
) -> Result<Option<M>, FrameError> {
    let Some(prefix) = buffer.first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let length = length(*prefix, limit)?;
    if buffer.len() < PREFIX + length {
        return Ok(None);
    }
    buffer.advance(PREFIX);
    let content = buffer.split_to(length).freeze();
    M::decode(content).map(Some).map_err(FrameError::Malformed)
}

/// Appends `message` with its length to `buffer`.
///
/// # Errors
/// [`FrameError::Length`] if it is empty or longer than `limit`; nothing is appended then.
pub fn put<M: Message>(message: &M, limit: Limit, buffer: &mut BytesMut) -> Result<(), FrameError> {
    let prefix = u32::try_from(message.encoded_len()).unwrap_or(u32::MAX);
    length(prefix.to_be_bytes(), limit)?;
    buffer.put_u32(prefix);
    message.encode_raw(buffer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::identity::DeviceFacts;
    use proptest::prelude::*;

    #[test]
    fn c1_zero_and_oversized_lengths_are_refused_before_allocation() {
        for bad in [0, Limit::STRANGER.0 + 1, u32::MAX] {
            assert!(length(bad.to_be_bytes(), Limit::STRANGER).is_err());
        }
    }

    #[test]
    fn c4_groups_nested_ten_thousand_deep_are_refused() {
        // The start of a group (wire type 3) of a field that no message has, again and again.
        let content = [0xc3, 0x3e].repeat(10_000);
        let mut buffer = BytesMut::new();
        buffer.put_u32(u32::try_from(content.len()).unwrap());
        buffer.put_slice(&content);
        let taken = take::<DeviceFacts>(&mut buffer, Limit::STRANGER);
        assert!(matches!(taken, Err(FrameError::Malformed(_))), "{taken:?}");
    }

    proptest! {
        #[test]
        fn c1_a_frame_truncated_anywhere_waits_and_then_reads_back(name in ".{1,40}") {
            let facts = DeviceFacts { name, ..DeviceFacts::default() };
            let mut whole = BytesMut::new();
            put(&facts, Limit::STRANGER, &mut whole).unwrap();
            for cut in 0..whole.len() {
                let mut part = BytesMut::from(&whole[..cut]);
                prop_assert_eq!(take::<DeviceFacts>(&mut part, Limit::STRANGER), Ok(None));
            }
            prop_assert_eq!(take(&mut whole, Limit::STRANGER), Ok(Some(facts)));
            prop_assert!(whole.is_empty());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut buffer = BytesMut::from(&bytes[..]);
            let _ = take::<crate::wire::control::Frame>(&mut buffer, Limit::PARTY);
        }
    }
}
