//! Ports of this machine for programs of its user: chosen once, remembered, and served.
//!
//! Whoever listens here decides by itself who may pass: other users of the machine and pages of any site reach it too.

mod guest;
mod holder;
mod host;
mod page;
mod place;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use guest::Guest;
pub use host::{Found, host_of, only};
pub(crate) use page::escaped;
pub use page::page;
pub use place::{ListenError, Place};

#[cfg(test)]
pub(crate) use guest::STRANGERS;
use guest::Strangers;

/// How long a connection may be without a request. Longer than client-go's own limit (90 s), so that it closes first and
/// no request is on its way meanwhile.
pub const IDLE: Duration = Duration::from_mins(2);
/// Connections at once, of those who may pass and of strangers; more wait in the kernel's queue.
const CONNECTIONS: usize = 1024;

/// What ends a listener.
#[derive(Clone, Debug, Default)]
pub struct Closing {
    /// The port is closed; each connection ends with the requests that it has.
    pub gently: CancellationToken,
    /// The port and all connections are closed.
    pub now: CancellationToken,
}

/// A port that was opened.
#[derive(Debug)]
pub struct Bound {
    port: u16,
    listeners: Vec<TcpListener>,
}

impl Bound {
    /// Its number.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Serves each connection with `connection`, which says when its guest is known, until it is closed; `tasks` owns
    /// the connections.
    ///
    /// # Cancel safety
    /// Dropping it closes the port; connections end as `closing` says.
    pub async fn serve<F, R>(self, connection: F, tasks: TaskTracker, closing: Closing)
    where
        F: Fn(TcpStream, Guest) -> R,
        R: Future<Output = ()> + Send + 'static,
    {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let strangers = Arc::<Strangers>::default();
        let begin = |stream, permit: OwnedSemaphorePermit, gently| {
            let guest = strangers.enter(gently);
            let (turned_out, now) = (guest.turned_out(), closing.now.clone());
            let served = connection(stream, guest);
            tasks.spawn(async move {
                let _permit = permit;
                tokio::select! {
                    () = served => {}
                    () = turned_out.cancelled() => {}
                    () = now.cancelled() => {}
                }
            });
        };
        let gently = || closing.gently.clone();
        let accepting = self
            .listeners
            .iter()
            .map(|it| accept(it, &room, |stream, permit| begin(stream, permit, gently())));
        tokio::select! {
            _ = join_all(accepting) => {}
            () = closing.now.cancelled() => return,
            () = closing.gently.cancelled() => {}
        }
        // Who connected before the port is closed is served, and closes by itself.
        for listener in &self.listeners {
            while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
                let Ok(permit) = room.clone().try_acquire_owned() else {
                    return;
                };
                begin(stream, permit, CancellationToken::new());
            }
        }
    }
}

/// Drives a connection to its end, gently when it is told to.
///
/// # Errors
/// How it ended early.
///
/// # Cancel safety
/// Dropping it closes the connection.
#[expect(
    clippy::manual_async_fn,
    reason = "that an async fn may move between threads cannot be proved for every connection"
)]
pub fn drive<C>(
    connection: C,
    gently: CancellationToken,
) -> impl Future<Output = Result<(), C::Error>> + Send
where
    C: GracefulConnection + Send,
    C::Error: Send,
{
    async move {
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = gently.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    }
}

/// Accepts connections for ever.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
    begin: impl Fn(TcpStream, OwnedSemaphorePermit),
) {
    // The room is never closed.
    while let Ok(permit) = room.clone().acquire_owned().await {
        match listener.accept().await {
            // Without it each small answer waits for the acknowledgement of the one before.
            Ok((stream, _)) if stream.set_nodelay(true).is_ok() => begin(stream, permit),
            Ok(_) => {}
            // Out of descriptors: wait until something is closed instead of spinning.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
