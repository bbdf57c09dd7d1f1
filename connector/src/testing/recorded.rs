//! A server that records what reaches it, byte by byte, and how a stream towards a client would end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adit_proto::Reason;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;

use crate::h1::Ending;

/// Whether a stream would end whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct End(pub(crate) Arc<AtomicBool>);

impl Ending for End {
    fn complete(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn incomplete(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    fn pass_through(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn cut_off(&self, _: Reason) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// What reached the server: one entry a connection.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) connections: Mutex<Vec<Vec<u8>>>,
    closed: Semaphore,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            connections: Mutex::default(),
            closed: Semaphore::new(0),
        }
    }
}

impl Seen {
    /// Everything that reached the server.
    pub(crate) fn all(&self) -> String {
        String::from_utf8(self.connections.lock().concat()).unwrap()
    }

    /// Waits until a connection of the server has ended.
    pub(crate) async fn closed(&self) {
        let closed = tokio::time::timeout(Duration::from_secs(5), self.closed.acquire());
        closed
            .await
            .expect("the upstream connection stays open")
            .unwrap()
            .forget();
    }

    /// Answers each request of a connection with `answer`. One that ends in `cut` breaks off.
    pub(crate) async fn converse<S>(&self, mut stream: S, answer: &str)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let index = {
            let mut connections = self.connections.lock();
            connections.push(Vec::new());
            connections.len() - 1
        };
        while self.request(&mut stream, index).await {
            stream.write_all(answer.as_bytes()).await.unwrap();
            if answer.ends_with("cut") {
                break;
            }
        }
        if !answer.ends_with("cut") {
            // With TLS's own end; without it the connection was cut off.
            let _ = stream.shutdown().await;
        }
        drop(stream);
        self.closed.add_permits(1);
    }

    /// Records one request; `false` when the connection ends before there is a whole one.
    async fn request(&self, stream: &mut (impl AsyncRead + Unpin), index: usize) -> bool {
        let mut bytes = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap_or(0);
            bytes.extend_from_slice(&buffer[..read]);
            self.connections.lock()[index].extend_from_slice(&buffer[..read]);
            if read == 0 {
                return false;
            }
            let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map(|length| length.parse::<usize>().unwrap());
            let whole = match length {
                Some(length) => body.len() >= length,
                None => !head.contains("transfer-encoding") || body.ends_with("0\r\n\r\n"),
            };
            if whole {
                return true;
            }
        }
    }
}
