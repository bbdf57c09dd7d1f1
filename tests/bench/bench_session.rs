//! How long it takes to open a session: decided by gateway and connector, stored, offered, announced.

use std::path::Path;

use adit_client::agent::client::AgentClient;
use adit_client::exit::Failure;
use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::figure::{Figure, median, ms};
use crate::scene::Scene;

const SESSIONS: usize = 200;

/// `session.open`: with the control connection up, asked over the agent's socket.
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
    eprintln!(
        "session.open_new_link: not measured: the agent opens links by itself and does not say when"
    );
    Ok(vec![Figure::plain(
        "session.open",
        "ms",
        median(spans),
        SESSIONS,
    )])
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
