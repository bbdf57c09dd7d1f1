//! The commands' end of the agent's socket.

use std::io::{IsTerminal, Write};
use std::path::Path;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HOST, UPGRADE};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::protocol::{AGENT, Event, IDENTITY_HEADER, RAW, StreamCall, identity};
use super::{ensure, peer};
use crate::exit::Failure;
use crate::paths::Paths;
use crate::profile::ProfileName;
use crate::talk::BELL;

/// A connection to the agent.
pub struct AgentClient {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Drives the connection, and ends with it.
    _driver: JoinSet<()>,
}

impl std::fmt::Debug for AgentClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentClient").finish_non_exhaustive()
    }
}

/// How a call ended, and which program answered.
#[derive(Debug)]
pub struct Answered {
    /// What the call gave.
    pub value: Value,
    /// Whether the agent runs another program than this one.
    pub other_program: bool,
}

impl AgentClient {
    /// Connects to the agent at `socket`; `None` if there is none.
    ///
    /// # Errors
    /// When the socket belongs to another user.
    pub async fn connect(socket: &Path) -> Result<Option<Self>, Failure> {
        let Ok(stream) = UnixStream::connect(socket).await else {
            return Ok(None);
        };
        peer::same_user(&stream).map_err(Failure::new)?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(Failure::new)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "The connection to the agent ended early.");
            }
        });
        Ok(Some(Self {
            sender,
            _driver: driver,
        }))
    }

    /// Makes one call; what is said meanwhile goes to `hear`.
    ///
    /// # Errors
    /// What the agent said, or that it is gone.
    ///
    /// # Cancel safety
    /// Dropping it gives the call up.
    pub async fn call(
        &mut self,
        profile: &str,
        name: &str,
        body: &Value,
        mut hear: impl FnMut(&str),
    ) -> Result<Answered, Failure> {
        let gone = |error: hyper::Error| Failure::new(format!("the agent is gone: {error}"));
        let request = Request::post(format!("/v1/{profile}/{name}"))
            .header(HOST, "agent")
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(Failure::new)?;
        self.sender.ready().await.map_err(gone)?;
        let response = self.sender.send_request(request).await.map_err(gone)?;
        let program = response.headers().get(IDENTITY_HEADER);
        let other_program = program.map(HeaderValue::as_bytes) != Some(identity().as_bytes());
        let value = read(response.into_body(), &mut hear).await?;
        Ok(Answered {
            value,
            other_program,
        })
    }
}

/// A stream to a service, through the agent.
pub type RawStream = BufStream<TokioIo<Upgraded>>;

impl AgentClient {
    /// Opens a stream; what is said meanwhile goes to `hear`.
    ///
    /// # Errors
    /// What the agent said, or that it is gone.
    pub async fn stream(
        mut self,
        profile: &ProfileName,
        call: &StreamCall,
        hear: impl Fn(&str),
    ) -> Result<RawStream, Failure> {
        let gone = |error: hyper::Error| Failure::new(format!("the agent is gone: {error}"));
        let request = Request::post(format!("/v1/{profile}/stream"))
            .header(HOST, "agent")
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, RAW)
            .body(Full::default())
            .map_err(Failure::new)?;
        self.sender.ready().await.map_err(gone)?;
        let response = self.sender.send_request(request).await.map_err(gone)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::new("the agent is of another version").repaired_by(
                "run `adit agent stop`, so that the next command starts the new agent",
            ));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(gone)?;
        let mut stream = BufStream::new(TokioIo::new(upgraded));
        let failed = |error: std::io::Error| Failure::new(format!("the agent is gone: {error}"));
        let call = format!("{}\n", json!(call));
        stream.write_all(call.as_bytes()).await.map_err(failed)?;
        stream.flush().await.map_err(failed)?;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.map_err(failed)?;
            match serde_json::from_str(&line).map_err(|_| Failure::new("the agent is gone"))? {
                Event::Say(text) => hear(&text),
                Event::Done(_) => return Ok(stream),
                Event::Failed(failure) => return Err(failure),
            }
        }
    }
}

async fn read(mut body: Incoming, hear: &mut impl FnMut(&str)) -> Result<Value, Failure> {
    let mut buffer = BytesMut::new();
    let gone = || Failure::new("the agent ended before it answered");
    loop {
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line = buffer.split_to(end + 1);
            match serde_json::from_slice(&line).map_err(Failure::new)? {
                Event::Say(text) => hear(&text),
                Event::Done(value) => return Ok(value),
                Event::Failed(failure) => return Err(failure),
            }
        }
        let frame = body.frame().await.ok_or_else(gone)?;
        if let Ok(data) = frame.map_err(|_| gone())?.into_data() {
            buffer.extend_from_slice(&data);
        }
    }
}

/// Says a line on stderr. What asks for a person rings there if it is a terminal.
pub fn on_stderr(line: &str) {
    let mut stderr = std::io::stderr();
    let rings = stderr.is_terminal();
    let shown = line.strip_prefix(BELL).filter(|_| !rings).unwrap_or(line);
    // Nobody reads it: nothing to be done.
    let _ = writeln!(stderr, "{shown}");
}

/// Makes one call for a profile, to the agent that [`current`] finds, and says on stderr what it says.
///
/// # Errors
/// What the agent said.
pub async fn ask(
    paths: &Paths,
    profile: &ProfileName,
    name: &str,
    body: Value,
) -> Result<Value, Failure> {
    let mut agent = current(paths).await?;
    let answered = agent.call(profile.as_str(), name, &body, on_stderr).await?;
    Ok(answered.value)
}

/// Connects to an agent of this program, started or replaced as needed. One that does not leave is kept, and that is
/// said.
///
/// # Errors
/// When no agent could be started.
pub async fn current(paths: &Paths) -> Result<AgentClient, Failure> {
    let mut agent = ensure::ensure(paths).await?;
    let status = agent.call(AGENT, "status", &Value::Null, |_| {}).await?;
    if !status.other_program {
        return Ok(agent);
    }
    let asked = agent.call(AGENT, "hand-over", &Value::Null, |_| {}).await;
    // An agent of an older version does not know the call.
    let leaves = asked.is_ok_and(|it| it.value.get("leaving") == Some(&Value::Bool(true)));
    if leaves {
        drop(agent);
        ensure::wait_until_gone(paths).await?;
        return ensure::ensure(paths).await;
    }
    on_stderr(
        "The agent runs another version of adit and is in use; `adit agent stop` replaces it now.",
    );
    Ok(agent)
}
