//! `adit status`: what works and what does not.

use adit_proto::Reason;
use serde_json::{Value, json};

use super::output;
use crate::agent::client::on_stderr;
use crate::agent::protocol::SeatStatus;
use crate::cli::Global;
use crate::exit::{Exit, Failure};
use crate::version::{TOLD_AT, outdated};

/// Where the gateway says when the sign-in ends.
const UNTIL: &str = "/sign_in/expires_ms";

/// Shows it. Exits with 3 when nobody is signed in and with 5 when the gateway does not answer.
///
/// # Errors
/// What is in the way.
pub async fn run(global: &Global) -> Result<(), Failure> {
    let seat: SeatStatus =
        serde_json::from_value(global.ask("status", Value::Null).await?).map_err(Failure::new)?;
    let whoami = json!({"method": "GET", "path": "/v1/whoami"});
    let who = match seat.trouble {
        None => Some(global.ask("api", whoami).await?),
        Some(_) => None,
    };
    let sign_in = who
        .as_ref()
        .and_then(|who| who.get("sign_in"))
        .filter(|it| !it.is_null());
    if global.json {
        output::print_json(&json!({"agent": seat, "who": who}))?;
    } else {
        print(&seat, who.as_ref())?;
    }
    let gateway = who.as_ref().and_then(|who| who.pointer(TOLD_AT));
    if let Some(told) = gateway.and_then(Value::as_str).and_then(outdated) {
        on_stderr(&format!("Update adit on this machine: {told}."));
    }
    match (seat.trouble, sign_in) {
        (Some(failure), _) => Err(failure),
        (None, Some(_)) => Ok(()),
        (None, None) => {
            Err(Failure::of(Reason::SignInRequired, "you are not signed in").exiting(Exit::SignIn))
        }
    }
}

fn print(seat: &SeatStatus, who: Option<&Value>) -> Result<(), Failure> {
    let at = |pointer: &str| output::cell(who.and_then(|who| who.pointer(pointer)));
    let port = match (seat.port, &seat.port_trouble) {
        (Some(port), _) => format!("https://127.0.0.1:{port}"),
        (None, Some(failure)) => failure.message.clone(),
        (None, None) => "closed".to_owned(),
    };
    let sessions = match seat.sessions.as_slice() {
        [] => "none".to_owned(),
        some => some.join(", "),
    };
    let headless = who.and_then(|who| who.pointer("/sign_in/headless"));
    let how = if headless == Some(&Value::Bool(true)) {
        ", headless"
    } else {
        ""
    };
    let connected = if seat.connected {
        "connected"
    } else {
        "not reached"
    };
    output::print(&format!(
        "Profile   {}\nGateway   {} ({connected})\nUser      {}\nDevice    {}\nSigned in {}\nRoster    {}\nSessions  {sessions}\nEndpoint  {port}",
        seat.profile,
        seat.gateway,
        at("/user/name"),
        at("/device/name"),
        match who.and_then(|who| who.pointer(UNTIL)) {
            Some(until) => format!("until {}{how}", output::shown(UNTIL, Some(until))),
            None => "no".to_owned(),
        },
        seat.roster_number,
    ))
}
