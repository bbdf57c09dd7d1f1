//! The body of an answer: events, one a line. Whoever drops it gives the call up.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::protocol::Event;
use crate::exit::Failure;
use crate::talk::Talk;

/// Lines that wait for a caller who does not read; then the call waits for it.
const LINES: usize = 64;

/// A call that goes on for as long as its answer is read.
#[derive(Debug)]
pub(super) struct Reply {
    lines: mpsc::Receiver<Bytes>,
    _call: Option<AbortOnDropHandle<()>>,
}

impl Reply {
    /// Begins `call`; `tasks` owns it. What `talk` says goes to the caller.
    pub(super) fn to<F>(tasks: &TaskTracker, talk: &Talk, call: F) -> Self
    where
        F: Future<Output = Result<Value, Failure>> + Send + 'static,
    {
        let (sender, lines) = mpsc::channel(LINES);
        let mut said = talk.listen();
        let running = tasks.spawn(async move {
            let mut call = std::pin::pin!(call);
            let ended = loop {
                tokio::select! {
                    biased;
                    ended = &mut call => break ended,
                    fresh = said.hear() => tell(&sender, fresh).await,
                }
            };
            tell(&sender, said.rest()).await;
            let last = ended.map_or_else(Event::Failed, Event::Done);
            let _ = sender.send(line(&last)).await;
        });
        Self {
            lines,
            _call: Some(AbortOnDropHandle::new(running)),
        }
    }

    /// No body: the answer is its head.
    pub(super) fn none() -> Self {
        let (_, lines) = mpsc::channel(1);
        Self { lines, _call: None }
    }
}

async fn tell(sender: &mpsc::Sender<Bytes>, lines: Vec<String>) {
    for said in lines {
        // Refused only when the caller is gone, and then this task ends.
        let _ = sender.send(line(&Event::Say(said))).await;
    }
}

/// An event as it is written.
pub(super) fn line(event: &Event) -> Bytes {
    let mut text = serde_json::to_string(event).unwrap_or_default();
    text.push('\n');
    text.into()
}

impl Body for Reply {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.lines
            .poll_recv(cx)
            .map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
