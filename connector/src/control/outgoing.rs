//! What a connector says on a control connection without being asked.

use std::io;
use std::time::Duration;

use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::{Frame, Probe, RosterFetch, SessionEnded};
use adit_transport::frame::FrameWriter;
use adit_transport::party::Nudges;
use quinn::SendStream;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::Control;
use super::connection::Over;
use crate::audit::upload::{Batch, Cursor};
use crate::roster::Book;
use crate::session::table::Ended;

/// How long records gather before they go up, so that a busy connector sends few batches.
const GATHER: Duration = Duration::from_millis(100);
/// How long a gateway may take to store a batch before the connection is given up.
const STORE: Duration = Duration::from_mins(1);
/// The least time between two requests for statements.
const FETCH_AGAIN: Duration = Duration::from_secs(1);

pub(super) fn frame(message: Message) -> Frame {
    Frame {
        critical: false,
        message: Some(message),
    }
}

/// Writes what is queued.
pub(super) async fn write(
    mut queued: mpsc::Receiver<Message>,
    mut writer: FrameWriter<SendStream>,
) -> Over {
    while let Some(message) = queued.recv().await {
        if writer.write(&frame(message)).await.is_err() {
            break;
        }
    }
    Over::Lost
}

/// Uploads the audit log, batch by batch, each after the one before was stored.
pub(super) async fn upload(
    control: &Control,
    queue: &mpsc::Sender<Message>,
    mut stored: watch::Receiver<u64>,
) -> Over {
    let Ok(_turn) = control.upload_turn.acquire().await else {
        return Over::Lost;
    };
    let mut cursor = control.audit.cursor();
    loop {
        if !cursor.ready().await {
            return Over::Lost;
        }
        sleep(GATHER).await;
        let Some((back, batch)) = read(control, cursor).await else {
            return std::future::pending().await;
        };
        cursor = back;
        // A chain goes on only from what the disk kept: what a gateway has must not go with the power.
        if control.audit.synced(batch.last).await.is_err() {
            return std::future::pending().await;
        }
        if queue
            .send(Message::AuditUpload(batch.upload))
            .await
            .is_err()
        {
            return Over::Lost;
        }
        let last = batch.last;
        if timeout(STORE, stored.wait_for(|stored| *stored >= last))
            .await
            .is_err()
        {
            return Over::Lost;
        }
    }
}

/// Reads off the runtime's threads. `None`, after an error in the log, when the disk does not give it.
async fn read(control: &Control, mut cursor: Cursor) -> Option<(Cursor, Batch)> {
    let reading = control.tasks.spawn_blocking(move || {
        let batch = cursor.read()?;
        Ok::<_, io::Error>((cursor, batch))
    });
    match reading.await.map_err(io::Error::other).flatten() {
        Ok(read) => Some(read),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the audit log cannot be read for the gateway");
            None
        }
    }
}

/// Tells of sessions that ended here, and confirms those that the gateway ended.
pub(super) async fn tell_ends(
    mut ends: broadcast::Receiver<Ended>,
    queue: &mpsc::Sender<Message>,
) -> Over {
    // Too far behind: the next registration says what is left.
    while let Ok(Ended { session, reason }) = ends.recv().await {
        if queue
            .send(ended(session.to_string(), reason.as_str()))
            .await
            .is_err()
        {
            break;
        }
    }
    Over::Lost
}

pub(super) fn ended(session_id: String, reason: &str) -> Message {
    Message::SessionEnded(SessionEnded {
        session_id,
        reason: reason.to_owned(),
        detail: String::new(),
    })
}

/// Says a byte's worth whenever the transport wants to know whether the gateway still knows us.
pub(super) async fn probe(mut nudges: Nudges, queue: &mpsc::Sender<Message>) -> Over {
    while nudges.recv().await.is_some() {
        if queue.send(Message::Probe(Probe {})).await.is_err() {
            return Over::Lost;
        }
    }
    // Replaced by a newer registration.
    std::future::pending().await
}

/// Fetches statements that somebody else is known to have.
pub(super) async fn fetch(book: &Book, queue: &mpsc::Sender<Message>) -> Over {
    let mut wanted = book.wanted();
    loop {
        let next = book.head().number + 1;
        if *wanted.borrow_and_update() >= next {
            let from_number = next;
            if queue
                .send(Message::RosterFetch(RosterFetch { from_number }))
                .await
                .is_err()
            {
                return Over::Lost;
            }
            sleep(FETCH_AGAIN).await;
        }
        if wanted.changed().await.is_err() {
            return Over::Lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use adit_proto::testing::Log;
    use tokio::task::JoinSet;

    use super::*;
    use crate::testing::origin;

    #[tokio::test(start_paused = true)]
    async fn what_is_wanted_is_fetched_again_whatever_a_device_claimed() {
        let (log, dir) = (Log::new(), tempfile::tempdir().unwrap());
        let book = std::sync::Arc::new(Book::open(dir.path(), origin(&log)).unwrap());
        book.add(log.statements.clone()).unwrap();
        let (queue, mut queued) = mpsc::channel(4);
        let fetched = book.clone();
        let mut fetching = JoinSet::new();
        fetching.spawn(async move { fetch(&fetched, &queue).await });
        let next = log.roster.number() + 1;
        for wanted in [u64::MAX, next, next] {
            book.want(wanted);
            let asked = timeout(FETCH_AGAIN * 2, queued.recv()).await;
            let from_number = next;
            let fetch = Message::RosterFetch(RosterFetch { from_number });
            assert_eq!(asked.unwrap(), Some(fetch), "{wanted}");
        }
        book.want(log.roster.number());
        assert!(timeout(FETCH_AGAIN * 2, queued.recv()).await.is_err());
    }
}
