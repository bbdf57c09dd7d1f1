//! One stream of a link as an HTTP/1.1 connection with one request.

use std::sync::Arc;

use adit_policy::KubeStatus;
use adit_proto::Reason;
use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::{Call, exchange};
use super::splice::Splice;
use super::upstream::Upstream;
use crate::audit::{Audit, event};
use crate::clock::Clock;
use crate::h1::{self, Broken, Ending};
use crate::session::{Session, Table};

/// What a stream's request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It goes to the API server if it is allowed.
    CarryOut,
    /// What is decided about it is told.
    Explain,
}

/// Whose request a stream brings, and what for.
#[derive(Clone, Debug)]
pub struct Errand {
    /// The session.
    pub session: Arc<Session>,
    /// What for.
    pub purpose: Purpose,
}

/// The way to the API server, for sessions whose target it is.
#[derive(Debug)]
pub struct Kube {
    pub(super) upstream: Upstream,
    pub(super) audit: Audit,
    pub(super) sessions: Arc<Table>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Kube {
    /// Joins what a request needs.
    #[must_use]
    pub fn new(
        upstream: Upstream,
        audit: Audit,
        sessions: Arc<Table>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            upstream,
            audit,
            sessions,
            clock,
        }
    }

    /// The API server.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Serves the one request of a stream. `read` is what was read of the stream already.
    ///
    /// # Cancel safety
    /// Dropping it cuts the answer off and cancels the request at the API server.
    pub async fn serve<I, E>(self: Arc<Self>, io: I, read: BytesMut, ending: E, errand: Errand)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        E: Ending,
    {
        let spliced = Arc::new(Mutex::new(None));
        let served = h1::serve(io, read, &ending, |target, request| {
            let call = Call {
                kube: self.clone(),
                errand: errand.clone(),
                ending: ending.clone(),
                spliced: spliced.clone(),
            };
            async move { exchange(call, &target, request).await }
        });
        let served = served.await;
        let splice: Option<Splice> = spliced.lock().take();
        if let Some(splice) = splice {
            splice.run(&ending).await;
        }
        match served {
            Ok(()) | Err(Broken::Silent) => {}
            Err(Broken::Line(mut io, error)) => {
                let detail = error.to_string();
                self.note_refusal(&errand.session, &detail);
                let document = KubeStatus::new(Reason::RequestMalformed, &detail).to_json();
                h1::refuse(&mut io, KubeStatus::CONTENT_TYPE, &document).await;
            }
            Err(Broken::Stream(error)) => {
                if error.is_parse() {
                    self.note_refusal(&errand.session, &error.to_string());
                }
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a request's stream was cut off"
                );
            }
        }
    }

    fn note_refusal(&self, session: &Session, detail: &str) {
        let reason = Reason::RequestMalformed;
        self.audit
            .note(event::refusal(session.actor(), "request", reason, detail));
    }
}
