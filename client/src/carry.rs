//! Carries one request of a local client on a stream of its own, as HTTP/1.1, and streams both ways.
//!
//! Path and query go on exactly as sent: the connector parses them and refuses what it cannot. A request that its client
//! gives up drops its task, and with it the stream, which is reset. After a 101 the stream carries raw bytes. What may go
//! where is no business of this module: whoever passed a gate is a [`Passage`].

mod body;
mod headers;
mod upgrade;

use std::sync::Arc;

use adit_proto::Reason;
use adit_proto::target::Target;
use adit_proto::wire::link::stream_header::Kind;
use adit_transport::stream::StreamEnd;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode, request};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::exit::Failure;
use crate::reset;
use body::{Answered, Ending, Guard};
use upgrade::Asked;

/// Any error that ends a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A body of either direction.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A byte stream in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// Decides how a stream ends; without it, it is reset.
pub trait End: Send + Sync {
    /// All that was to be sent has been handed over.
    fn body_complete(&self);
    /// Raw bytes from now on: each shutdown is a half-close.
    fn pass_through(&self);
}

impl End for StreamEnd {
    fn body_complete(&self) {
        Self::body_complete(self);
    }

    fn pass_through(&self) {
        Self::pass_through(self);
    }
}

/// A request that passed its gate: where it may go, and in which form.
pub trait Passage: Send + Sync {
    /// Where it goes.
    fn target(&self) -> Target;
    /// How it goes there.
    fn kind(&self) -> Kind;
    /// Makes its head what the connector gets. What concerns one hop is gone already, but for a wish to upgrade.
    ///
    /// # Errors
    /// When there is no such head.
    fn prepare(&self, head: &mut request::Parts) -> Result<(), Failure>;
}

/// A stream towards a target, whose header is written.
pub struct Opened {
    /// The bytes.
    pub io: Box<dyn Duplex>,
    /// Decides how the stream ends.
    pub end: Arc<dyn End>,
    /// Cancelled when the session ends, and the stream with it.
    pub over: CancellationToken,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}

/// Where streams come from.
pub trait Streams: Send + Sync + 'static {
    /// Opens a stream for one request, and the session and the link that it needs.
    ///
    /// # Cancel safety
    /// Dropping it leaves no stream behind.
    fn open<'a>(&'a self, passage: &'a dyn Passage) -> BoxFuture<'a, Result<Opened, Failure>>;

    /// Returns when nothing has come through for so long that whoever waits for an answer is to be told.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    fn given_up(&self) -> BoxFuture<'_, Failure>;

    /// Takes note that a stream towards `target` ended with `reason` before it was answered.
    fn refused(&self, target: &Target, reason: Reason);
}

/// Carries requests.
pub struct Carrier {
    streams: Arc<dyn Streams>,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carrier").finish_non_exhaustive()
    }
}

impl Carrier {
    /// Carries requests on `streams`; `tasks` owns what drives them.
    #[must_use]
    pub fn new(streams: Arc<dyn Streams>, tasks: TaskTracker) -> Self {
        Self { streams, tasks }
    }

    /// Carries a request that passed its gate and gives the answer.
    ///
    /// # Errors
    /// Why there is none.
    ///
    /// # Cancel safety
    /// Dropping it resets the stream.
    pub async fn carry(
        &self,
        passage: &dyn Passage,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Failure> {
        let local = hyper::upgrade::on(&mut request);
        let (mut parts, body) = request.into_parts();
        let asked = Asked::take(&mut parts);
        // A session that ended between two requests is opened anew; only what changes nothing can be sent twice, and an
        // exec is a GET too.
        let repeatable = parts.method.is_safe() && body.is_end_stream() && asked.is_none();
        let spare = repeatable.then(|| parts.clone());
        let body = body.map_err(Into::into).boxed_unsync();
        let upgrade = asked.map(|asked| (asked, local));
        let first = self
            .once(passage, Request::from_parts(parts, body), upgrade)
            .await;
        match (first, spare) {
            (Err(failure), Some(parts)) if failure.reason().is_some_and(session_is_over) => {
                let again = Request::from_parts(parts, nothing());
                self.once(passage, again, None).await
            }
            (answered, _) => answered,
        }
    }

    async fn once(
        &self,
        passage: &dyn Passage,
        request: Request<Body>,
        upgrade: Option<(Asked, OnUpgrade)>,
    ) -> Result<Response<Body>, Failure> {
        let Opened { io, end, over } = self.streams.open(passage).await?;
        let request = prepared(passage, request)?.map(|body| Ending::new(body, end.clone()));
        let failed = |error: hyper::Error| self.failure(passage, &error);
        let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(failed)?;
        let guard = self.drive(connection, over.clone());
        let mut response = tokio::select! {
            response = sender.send_request(request) => response.map_err(failed)?,
            failure = self.streams.given_up() => return Err(failure),
        };
        let remote = hyper::upgrade::on(&mut response);
        let (mut parts, body) = response.into_parts();
        if parts.status != StatusCode::SWITCHING_PROTOCOLS {
            headers::strip_hop_by_hop(&mut parts.headers);
            let body = Answered::new(body, guard)
                .map_err(Into::into)
                .boxed_unsync();
            return Ok(Response::from_parts(parts, body));
        }
        let Some((asked, local)) = upgrade else {
            let message = format!("{} answered with a change of protocol", passage.target());
            return Err(Failure::of(Reason::RequestUnsupported, message));
        };
        asked.answer(&mut parts);
        let pass_through = move || end.pass_through();
        let both = (local, remote);
        self.tasks
            .spawn(upgrade::splice(both, guard, pass_through, over));
        Ok(Response::from_parts(parts, nothing()))
    }

    /// Drives a stream until it ends or the session is over; whoever drops the guard ends it.
    fn drive(
        &self,
        connection: http1::Connection<TokioIo<Box<dyn Duplex>>, Ending>,
        over: CancellationToken,
    ) -> Guard {
        let driver = self.tasks.spawn(async move {
            tokio::select! {
                ended = connection.with_upgrades() => if let Err(error) = ended {
                    let error: &dyn std::error::Error = &error;
                    tracing::debug!(error, "A stream ended early.");
                },
                () = over.cancelled() => {}
            }
        });
        Guard::new(driver.abort_handle())
    }

    /// Why a stream was not answered.
    fn failure(&self, passage: &dyn Passage, error: &hyper::Error) -> Failure {
        let reason = reset::reason(error);
        let target = passage.target();
        // A body that its local client cut off says nothing of the target.
        if !error.is_user() {
            self.streams
                .refused(&target, reason.unwrap_or(Reason::TargetOffline));
        }
        let message = format!("{target} did not answer");
        reason.map_or_else(
            || Failure::of(Reason::TargetOffline, &message),
            |reason| Failure::of(reason, "the stream was refused"),
        )
    }
}

fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Makes an answer of the agent's own fit.
pub fn local(response: Response<http_body_util::Full<Bytes>>) -> Response<Body> {
    response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}

fn session_is_over(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::SessionExpired
            | Reason::SessionIdle
            | Reason::SessionRevoked
            | Reason::TargetOffline
    )
}

fn prepared(passage: &dyn Passage, request: Request<Body>) -> Result<Request<Body>, Failure> {
    let (mut parts, body) = request.into_parts();
    parts.version = http::Version::HTTP_11;
    headers::towards_the_connector(&mut parts.headers);
    passage.prepare(&mut parts)?;
    Ok(Request::from_parts(parts, body))
}

#[cfg(test)]
pub(crate) mod tests;
