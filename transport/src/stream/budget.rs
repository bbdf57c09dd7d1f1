//! How many streams a link may have: few at first, doubled on use, up to a bound.
//!
//! quinn makes a map entry for each allowed stream at the handshake
//! ([quinn issue 2600](https://github.com/quinn-rs/quinn/issues/2600)), so a link starts small.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use quinn::{Connection, ConnectionError, VarInt};
use tokio::time::timeout;

use super::LinkStream;
use crate::endpoint::{LINK_STREAMS, LINK_STREAMS_START};

/// How long a stream may take to open. The other end allows more in one round trip, if it ever will.
const OPENING: Duration = Duration::from_secs(2);

/// Accepts a link's streams.
#[derive(Debug)]
pub struct LinkStreams {
    connection: Connection,
    open: Arc<AtomicU32>,
    allowed: AtomicU32,
}

/// The place of one open stream, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicU32>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LinkStreams {
    /// Accepts the streams of `connection`, which was accepted with [`link_server`](crate::endpoint::link_server).
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self {
            connection,
            open: Arc::default(),
            allowed: AtomicU32::new(LINK_STREAMS_START),
        }
    }

    /// Waits for the next stream; `code` is what a reset of it carries.
    ///
    /// # Errors
    /// Why the link ended.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn accept(&self, code: u32) -> Result<LinkStream, ConnectionError> {
        let (send, recv) = self.connection.accept_bi().await?;
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.grow(open);
        let mut stream = LinkStream::new(send, recv, code);
        stream.place = Some(Place(self.open.clone()));
        Ok(stream)
    }

    /// How many accepted streams are open.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    fn grow(&self, open: u32) {
        let allowed = self.allowed.load(Ordering::Relaxed);
        if open > allowed / 2 && allowed < LINK_STREAMS {
            let more = (allowed * 2).min(LINK_STREAMS);
            self.allowed.store(more, Ordering::Relaxed);
            self.connection
                .set_max_concurrent_bi_streams(VarInt::from_u32(more));
        }
    }
}

/// Why no stream was opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// As many are open as a link may have.
    #[error("the link has as many streams as it may have")]
    LimitReached,
    /// The link is gone.
    #[error("the link is gone")]
    Lost(#[source] ConnectionError),
}

/// Opens a stream of a link; `code` is what a reset of it carries. Nothing is sent before the first write.
///
/// # Errors
/// [`OpenError`].
///
/// # Cancel safety
/// Nothing is lost.
pub async fn open(connection: &Connection, code: u32) -> Result<LinkStream, OpenError> {
    match timeout(OPENING, connection.open_bi()).await {
        Ok(Ok((send, recv))) => Ok(LinkStream::new(send, recv, code)),
        Ok(Err(error)) => Err(OpenError::Lost(error)),
        Err(_) => Err(OpenError::LimitReached),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::testing::linked;

    #[tokio::test]
    async fn a_link_starts_with_few_streams_and_grows_on_use_up_to_its_bound() {
        let link = linked().await;
        let (near, far) = (link.client.as_ref().unwrap(), link.server.as_ref().unwrap());
        let streams = LinkStreams::new(far.clone());
        let mut both = Vec::new();
        for _ in 0..LINK_STREAMS {
            let mut opened = open(near, 1).await.unwrap();
            opened.write_all(b"!").await.unwrap();
            both.push((opened, streams.accept(1).await.unwrap()));
        }
        assert_eq!(streams.open(), LINK_STREAMS);
        tokio::time::pause();
        assert!(matches!(open(near, 1).await, Err(OpenError::LimitReached)));
        tokio::time::resume();
        // quinn tells of room only once an eighth of all streams have ended.
        both.truncate(800);
        assert!(open(near, 1).await.is_ok(), "those that ended make room");
        assert_eq!(streams.open(), 800);
    }
}
