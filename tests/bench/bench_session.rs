//! How long it takes to open a session: decided by gateway and connector, stored, offered, announced.

use std::path::Path;

use adit_client::agent::client::AgentClient;
use adit_client::exit::Failure;
use adit_client::paths::Paths;
use adit_client::profile::{Profile, ProfileName};
use adit_client::seat::Seat;
use adit_harness::stack::Engineer;
use adit_proto::wire::link::Tcp;
use adit_proto::wire::link::stream_header::Kind;
use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::figure::{Figure, median, ms};
use crate::scene::Scene;

const SESSIONS: usize = 200;
const LINKS: usize = 50;

/// `session.open`, with the control connection up and asked over the agent's socket, and `session.open_new_link`.
pub(crate) fn session(scene: &Scene) -> Result<Vec<Figure>> {
    let socket = scene.engineer.folder().join("run/adit/agent.sock");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let spans = runtime.block_on(async {
        let mut spans = Vec::with_capacity(SESSIONS);
        for _ in 0..SESSIONS {
            let begun = Instant::now();
            let body = json!({"target": "service/prod/load"});
            let opened = api(&socket, "POST", "/v1/sessions", Some(body)).await?;
            spans.push(ms(begun.elapsed()));
            let id = opened
                .get("session_id")
                .and_then(Value::as_str)
                .context("a session")?;
            api(&socket, "DELETE", &format!("/v1/sessions/{id}"), None).await?;
        }
        anyhow::Ok(spans)
    })?;
    Ok(vec![
        Figure::plain("session.open", "ms", median(spans), SESSIONS),
        new_link(scene)?,
    ])
}

/// `session.open_new_link`: the agent's own code in this program, which is registered and has neither session nor link;
/// from there to the first byte that comes back from the service.
fn new_link(scene: &Scene) -> Result<Figure> {
    let engineer = scene.stack.engineer("fresh@example.org")?;
    engineer.ok(&["agent", "stop"])?;
    let paths = paths(&engineer)?;
    let inside = scene.stack.network.client().netns().runtime()?;
    let mut spans = Vec::with_capacity(LINKS);
    for _ in 0..LINKS {
        spans.push(inside.block_on(inside.spawn(fresh(paths.clone())))??);
    }
    Ok(Figure::plain(
        "session.open_new_link",
        "ms",
        median(spans),
        LINKS,
    ))
}

/// Where an engineer's machine keeps its files.
pub(crate) fn paths(engineer: &Engineer) -> Result<Paths> {
    let folder = engineer.folder();
    Ok(Paths::find(|variable| match variable {
        "XDG_STATE_HOME" => Some(folder.join("state").into()),
        "XDG_RUNTIME_DIR" => Some(folder.join("run").into()),
        _ => None,
    })?)
}

/// One profile set to work, and its first stream; ms.
async fn fresh(paths: Paths) -> Result<f64> {
    let failed = |failure: Failure| anyhow!("{failure}");
    let name: ProfileName = "default".parse()?;
    let profile = Profile::load(&paths, &name)?;
    let seat = Seat::new(&paths, &name, profile).await.map_err(failed)?;
    seat.control().line().await.map_err(failed)?;
    let target = "service/prod/load-0".parse()?;
    let begun = Instant::now();
    let opened = seat.stream(&target, Kind::Tcp(Tcp {})).await;
    let (mut stream, _) = opened.map_err(failed)?;
    stream.end().pass_through();
    stream.write_all(b"E1").await?;
    stream.read_exact(&mut [0]).await?;
    let span = ms(begun.elapsed());
    drop(stream);
    seat.close().await;
    Ok(span)
}

/// One call of the API through the agent, which answers one call on a connection.
async fn api(socket: &Path, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
    let failed = |failure: Failure| anyhow!("{failure}");
    let connected = AgentClient::connect(socket).await.map_err(failed)?;
    let mut agent = connected.context("the agent's socket")?;
    let call = json!({"method": method, "path": path, "body": body});
    let answered = agent.call("default", "api", &call, |_| {}).await;
    Ok(answered.map_err(failed)?.value)
}
