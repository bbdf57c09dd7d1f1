//! `stream`: a call that ends in raw bytes, for `adit connect`.
//!
//! ```text
//! caller ─ Upgrade: adit-stream ─▶ 101 ─▶ caller: one line with the call ─▶ agent: events, one a line, the last one
//! `done` ─▶ caller: bytes for the service ─▶ agent: what the service sends, in pieces
//! ```

use std::io;
use std::sync::Arc;

use adit_proto::Reason;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};

use super::pieces::Pieces;
use super::protocol::{Event, RAW, StreamCall};
use super::reply::{self, Reply};
use super::server::Agent;
use crate::exit::Failure;
use crate::profile::ProfileName;
use crate::seat::ServiceStream;
use crate::talk::Talk;

/// The longest call, in bytes.
const CALL_MAX: u64 = 16 << 10;

type Caller = BufStream<TokioIo<Upgraded>>;

/// Whether a request asks for a stream.
pub(super) fn is_asked_for(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|value| value == RAW)
}

/// Answers with a 101, and goes on with what follows it.
pub(super) fn begin(agent: Arc<Agent>, mut request: Request<Incoming>) -> Response<Reply> {
    let on = hyper::upgrade::on(&mut request);
    let profile = request.uri().path().to_owned();
    let tasks = agent.tasks.clone();
    tasks.spawn(async move {
        let stop = agent.stop.clone();
        tokio::select! {
            served = serve(agent, &profile, on) => if let Err(error) = served {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "A caller left early.");
            },
            () = stop.cancelled() => {}
        }
    });
    let mut response = Response::new(Reply::none());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(RAW));
    response
}

async fn serve(agent: Arc<Agent>, path: &str, on: OnUpgrade) -> io::Result<()> {
    let upgraded = on.await.map_err(io::Error::other)?;
    let mut caller = BufStream::new(TokioIo::new(upgraded));
    let mut line = Vec::new();
    (&mut caller)
        .take(CALL_MAX)
        .read_until(b'\n', &mut line)
        .await?;
    let talk = Talk::default();
    let opened = {
        let opening = open(&agent, path, &line, talk.clone());
        told_meanwhile(&mut caller, &talk, opening).await?
    };
    match opened {
        Ok(stream) => {
            tell(&mut caller, &Event::Done(Value::Null)).await?;
            let mut pieces = Pieces::new(caller);
            match stream.carry(&mut pieces).await {
                Ok(()) => Ok(()),
                Err(failure) => pieces.fail(&failure).await,
            }
        }
        Err(failure) => tell(&mut caller, &Event::Failed(failure)).await,
    }
}

async fn open(
    agent: &Agent,
    path: &str,
    line: &[u8],
    talk: Talk,
) -> Result<ServiceStream, Failure> {
    let profile = path
        .strip_prefix("/v1/")
        .and_then(|rest| rest.strip_suffix("/stream"));
    let unknown = || {
        Failure::of(
            Reason::VersionUnsupported,
            "this agent does not know the call",
        )
    };
    let profile: ProfileName = profile.ok_or_else(unknown)?.parse().map_err(Failure::new)?;
    let asked: StreamCall = serde_json::from_slice(line)
        .map_err(|error| Failure::new(format!("the call cannot be read: {error}")))?;
    let target = asked.target()?;
    let seat = agent.seat(&profile).await?;
    seat.signed_in(&asked.caller, &talk, || ServiceStream::open(&seat, &target))
        .await
}

/// Waits for `work`; what `talk` says meanwhile goes to the caller.
async fn told_meanwhile<T>(
    caller: &mut Caller,
    talk: &Talk,
    work: impl Future<Output = T>,
) -> io::Result<T> {
    let mut said = talk.listen();
    let mut work = std::pin::pin!(work);
    let done = loop {
        let fresh = tokio::select! {
            biased;
            done = &mut work => break done,
            fresh = said.hear() => fresh,
        };
        for line in fresh {
            tell(caller, &Event::Say(line)).await?;
        }
    };
    for line in said.rest() {
        tell(caller, &Event::Say(line)).await?;
    }
    Ok(done)
}

async fn tell(caller: &mut Caller, event: &Event) -> io::Result<()> {
    caller.write_all(&reply::line(event)).await?;
    caller.flush().await
}
