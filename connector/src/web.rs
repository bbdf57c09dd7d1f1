//! Web applications: one HTTP/1.1 request of a link's stream, recorded, rebuilt and sent on a connection of its own.
//!
//! ```text
//! stream ─▶ h1 ─▶ exchange ─▶ h1::ask (a connection that no other request has, or had)
//!                  │ parse, identity, audit intent
//! stream ◀─ answer ◀┘ streamed, counted, audit outcome; after a 101 raw bytes both ways
//! ```
//!
//! What goes upstream is built from parsed fields, with the application's name in place of the browser's and a token
//! that says who asks. There is no pool: of one request's bytes nothing can be left for the next, whoever sends that.

mod answer;
mod exchange;
mod identity;
mod request_body;
mod splice;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use adit_proto::Reason;
use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::audit::{Audit, event};
use crate::h1::{self, Broken, Ending};
use crate::roster::Book;
use crate::service::{Application, Services};
use crate::session::Session;
use exchange::Call;
use splice::Splice;

pub use identity::{Identities, IdentityError};

/// The way to web applications, for sessions whose target one is.
#[derive(Debug)]
pub struct Web {
    identities: Identities,
    book: Arc<Book>,
    audit: Audit,
}

/// Who visits which application.
#[derive(Clone, Debug)]
pub struct Visit<'a> {
    /// The session.
    pub session: Arc<Session>,
    /// What dials it.
    pub services: &'a Services,
    /// The application that its permit names.
    pub application: Application<'a>,
}

impl Web {
    /// Joins what a request needs.
    #[must_use]
    pub fn new(identities: Identities, book: Arc<Book>, audit: Audit) -> Self {
        Self {
            identities,
            book,
            audit,
        }
    }

    /// Serves the one request of a stream. `read` is what was read of the stream already.
    ///
    /// # Cancel safety
    /// Dropping it cuts the answer off and closes the connection to the application.
    pub async fn serve<I, E>(&self, io: I, read: BytesMut, ending: E, visit: Visit<'_>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        E: Ending,
    {
        let spliced = Mutex::new(None);
        let served = h1::serve(io, read, &ending, |target, request| {
            let call = Call {
                web: self,
                visit: &visit,
                ending: ending.clone(),
                spliced: &spliced,
            };
            async move { exchange::exchange(call, &target, request).await }
        });
        let served = served.await;
        let splice: Option<Splice> = spliced.lock().take();
        if let Some(splice) = splice {
            splice.run(&ending).await;
        }
        match served {
            Ok(()) | Err(Broken::Silent) => {}
            Err(Broken::Line(mut io, error)) => {
                let reason = Reason::RequestMalformed;
                self.note_refusal(&visit.session, reason, &error.to_string());
                let text = answer::words(reason, &error.to_string());
                h1::refuse(&mut io, answer::TEXT, &text).await;
            }
            Err(Broken::Stream(error)) => {
                if error.is_parse() {
                    let reason = Reason::RequestMalformed;
                    self.note_refusal(&visit.session, reason, &error.to_string());
                }
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a request's stream was cut off"
                );
            }
        }
    }

    fn note_refusal(&self, session: &Session, reason: Reason, detail: &str) {
        let refused = event::refusal(session.actor(), "request", reason, detail);
        self.audit
            .note_refusal(session.device(), &session.actor(), refused);
    }
}
