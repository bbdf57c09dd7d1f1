//! How much was recorded, by what it says: what the connector's metrics are made of.

use std::sync::atomic::{AtomicU64, Ordering};

use adit_proto::wire::audit::record::Event;

/// Counts since the process started.
#[derive(Debug, Default)]
pub(super) struct Counts {
    requests_forwarded: AtomicU64,
    requests_refused: AtomicU64,
    streams_forwarded: AtomicU64,
    streams_refused: AtomicU64,
    refusals: AtomicU64,
}

/// What the counts stand at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests whose intent was recorded before they went upstream.
    pub requests_forwarded: u64,
    /// Requests that were refused, or could not be recorded.
    pub requests_refused: u64,
    /// Streams to services whose intent was recorded.
    pub streams_forwarded: u64,
    /// Streams to services that could not be recorded.
    pub streams_refused: u64,
    /// Whatever else was refused.
    pub refusals: u64,
}

/// What an event is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request; whether it may go upstream once it is recorded.
    Request(bool),
    /// A stream to a service, likewise.
    Stream(bool),
    Refusal,
    Other,
}

impl Kind {
    pub(super) fn of(event: &Event) -> Self {
        match event {
            Event::RequestIntent(intent) => Self::Request(intent.reason.is_empty()),
            Event::StreamIntent(intent) => Self::Stream(intent.reason.is_empty()),
            Event::Refusal(_) => Self::Refusal,
            Event::ChainStarted(_)
            | Event::SessionDecided(_)
            | Event::RequestOutcome(_)
            | Event::RequestExplained(_)
            | Event::SessionOver(_)
            | Event::StreamOutcome(_)
            | Event::SignIn(_)
            | Event::Enrolment(_)
            | Event::StatementAppended(_)
            | Event::AdminAction(_) => Self::Other,
        }
    }
}

impl Counts {
    /// Counts an event. What could not be recorded does not go upstream.
    pub(super) fn count(&self, kind: Kind, recorded: bool) {
        let count = match kind {
            Kind::Request(true) if recorded => &self.requests_forwarded,
            Kind::Request(_) => &self.requests_refused,
            Kind::Stream(true) if recorded => &self.streams_forwarded,
            Kind::Stream(_) => &self.streams_refused,
            Kind::Refusal => &self.refusals,
            Kind::Other => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Counted {
        let at = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counted {
            requests_forwarded: at(&self.requests_forwarded),
            requests_refused: at(&self.requests_refused),
            streams_forwarded: at(&self.streams_forwarded),
            streams_refused: at(&self.streams_refused),
            refusals: at(&self.refusals),
        }
    }
}
