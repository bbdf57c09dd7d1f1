//! The agent's socket, served.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::protocol::{IDENTITY_HEADER, identity, identity_of};
use super::reply::Reply;
use super::{calls, peer, raw};
use crate::exit::Failure;
use crate::flight::Flights;
use crate::paths::Paths;
use crate::profile::{Profile, ProfileName};
use crate::seat::Seat;
use crate::talk::Talk;

/// Longest body of a call, in bytes: a policy, or a page of proposals.
const BODY_MAX: usize = 4 << 20;

/// The agent: profiles at work, and who may end them.
pub(super) struct Agent {
    pub(super) paths: Paths,
    /// Where its program was when it was started, and which it was.
    program: Option<PathBuf>,
    identity: String,
    seats: Arc<Mutex<HashMap<ProfileName, Arc<Seat>>>>,
    starting: Flights<ProfileName, Result<Arc<Seat>, Failure>>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    /// Cancelled when another agent is to take over.
    pub(super) leaving: CancellationToken,
}

impl Agent {
    pub(super) fn new(paths: Paths, stop: CancellationToken) -> Arc<Self> {
        let tasks = TaskTracker::new();
        Arc::new(Self {
            paths,
            program: std::env::current_exe().ok(),
            identity: identity(),
            seats: Arc::default(),
            starting: Flights::new(tasks.clone()),
            tasks,
            stop,
            leaving: CancellationToken::new(),
        })
    }

    /// The profile at work, set to work if it is not, or if this machine enrolled anew.
    pub(super) async fn seat(&self, name: &ProfileName) -> Result<Arc<Seat>, Failure> {
        let profile = Profile::load(&self.paths, name).map_err(Failure::new)?;
        if let Some(seat) = self.seats.lock().get(name)
            && *seat.profile() == profile
        {
            return Ok(seat.clone());
        }
        let begin = || {
            let (paths, name, seats) = (self.paths.clone(), name.clone(), self.seats.clone());
            async move {
                let old = seats.lock().remove(&name);
                if let Some(old) = old {
                    old.close().await;
                }
                let seat = Arc::new(Seat::new(&paths, &name, profile).await?);
                let removed = {
                    let mut seats = seats.lock();
                    // Looked at under the lock that `leave` takes: a profile that was removed meanwhile gets no seat.
                    let gone = Profile::load(&paths, &name).err();
                    if gone.is_none() {
                        seats.insert(name, seat.clone());
                    }
                    gone
                };
                match removed {
                    None => Ok(seat),
                    Some(error) => {
                        seat.close().await;
                        Err(Failure::new(error))
                    }
                }
            }
        };
        let started = self.starting.join(name.clone(), begin).await;
        started.unwrap_or_else(|| Err(Failure::new("the profile could not be set to work")))
    }

    /// Ends the seat of a profile that was removed; `false` if it had none.
    pub(super) async fn leave(&self, name: &ProfileName) -> bool {
        let left = self.seats.lock().remove(name);
        if let Some(seat) = &left {
            seat.close().await;
        }
        left.is_some()
    }

    /// Begins to leave to another agent, if nobody uses a session or this one's program was replaced on disk. Which of
    /// two programs that lie side by side runs is nobody's to change while it is used.
    pub(super) fn hand_over(&self) -> bool {
        let leaves = self.is_idle() || self.is_replaced();
        if leaves {
            self.leaving.cancel();
        }
        leaves
    }

    fn is_idle(&self) -> bool {
        let seats = self.seats.lock();
        seats.values().all(|seat| seat.sessions().is_empty())
    }

    fn is_replaced(&self) -> bool {
        let there = self.program.as_deref().map(identity_of);
        there.is_some_and(|there| there.is_ok_and(|there| there != self.identity))
    }

    /// Leaves ports and files to another agent. What is open goes on.
    pub(super) async fn give_up(&self) {
        for seat in self.at_work() {
            seat.give_up().await;
        }
    }

    /// Waits, after [`Agent::give_up`], until no call and no local connection is open.
    pub(super) async fn emptied(&self) {
        for seat in self.at_work() {
            seat.emptied().await;
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends every profile.
    pub(super) async fn close(&self) {
        for seat in self.at_work() {
            seat.close().await;
        }
    }

    fn at_work(&self) -> Vec<Arc<Seat>> {
        self.seats.lock().values().cloned().collect()
    }

    fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Reply> {
        let identity = HeaderValue::from_str(&self.identity);
        let mut response = self.begin(request);
        if let Ok(identity) = identity {
            response.headers_mut().insert(IDENTITY_HEADER, identity);
        }
        response
    }

    fn begin(self: Arc<Self>, request: Request<Incoming>) -> Response<Reply> {
        if raw::is_asked_for(request.headers()) {
            return raw::begin(self, request);
        }
        let (talk, tasks) = (Talk::default(), self.tasks.clone());
        let call = self.call(request, talk.clone());
        Response::new(Reply::to(&tasks, &talk, call))
    }

    async fn call(
        self: Arc<Self>,
        request: Request<Incoming>,
        talk: Talk,
    ) -> Result<Value, Failure> {
        let unknown = || Failure::new("this agent does not know the call");
        if request.method() != Method::POST {
            return Err(unknown());
        }
        let path = request.uri().path().to_owned();
        let (profile, name) = path
            .strip_prefix("/v1/")
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(unknown)?;
        let body = Limited::new(request.into_body(), BODY_MAX).collect().await;
        let body: Bytes = body.map_err(Failure::new)?.to_bytes();
        let call = calls::Call {
            agent: self,
            talk,
            body,
        };
        call.answer(profile, name).await
    }
}

/// Serves `listener` until the agent is stopped or leaves.
pub(super) async fn serve(agent: &Arc<Agent>, listener: &UnixListener) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = agent.stop.cancelled() => return,
            () = agent.leaving.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors: wait until something is closed instead of spinning.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        begin(agent, stream);
    }
}

/// Serves whoever connected before the socket was taken away.
pub(super) fn serve_the_last(agent: &Arc<Agent>, listener: &UnixListener) {
    while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
        begin(agent, stream);
    }
}

fn begin(agent: &Arc<Agent>, stream: UnixStream) {
    match peer::same_user(&stream) {
        Ok(_) => {
            agent.tasks.spawn(connection(agent.clone(), stream));
        }
        Err(error) => tracing::warn!(%error, "A connection to the agent is refused."),
    }
}

async fn connection(agent: Arc<Agent>, stream: UnixStream) {
    let stop = agent.stop.clone();
    let answer = service_fn(move |request| {
        let agent = agent.clone();
        std::future::ready(Ok::<_, Infallible>(agent.answer(request)))
    });
    let served = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = &mut served => ended,
        // The answer to the call that stops the agent is still to be written.
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            let second = std::time::Duration::from_secs(1);
            tokio::time::timeout(second, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "A caller left early.");
    }
}

#[cfg(test)]
mod tests;
