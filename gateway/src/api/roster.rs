//! The roster: turns, statements, the log.

use adit_proto::statement::{Head, Kind};
use adit_proto::wire::roster::Statement;
use axum::Json;
use axum::extract::State;
use prost::Message;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input::{Asked, Body, base64, bytes};
use super::passkeys;
use super::refused::Refusal;
use super::role::{Admin, SignedIn};
use crate::refusal::Refused;
use crate::services::Services;

/// A turn to append.
#[derive(Serialize, ToSchema)]
pub(super) struct TurnGiven {
    turn_id: String,
    head: HeadSeen,
    now_ms: u64,
    deadline_ms: u64,
}

/// A position in the log; hashes in base64.
#[derive(Serialize, ToSchema)]
struct HeadSeen {
    genesis: String,
    number: u64,
    hash: String,
    time_ms: u64,
}

impl From<&Head> for HeadSeen {
    fn from(head: &Head) -> Self {
        Self {
            genesis: base64(&head.genesis),
            number: head.number,
            hash: base64(&head.hash),
            time_ms: head.time.0,
        }
    }
}

/// A statement that was signed in a turn.
#[derive(Deserialize, ToSchema)]
pub(super) struct Append {
    turn_id: String,
    /// `adit.roster.v1.Statement`, in base64.
    statement: String,
    /// The registration of the passkey that a statement of the kind `own` adds.
    registration_id: Option<String>,
}

/// A statement that is in the log.
#[derive(Serialize, ToSchema)]
pub(super) struct Appended {
    number: u64,
    /// In base64.
    hash: String,
}

/// From where on.
#[derive(Deserialize, IntoParams)]
pub(super) struct FirstNumber {
    /// Number of the first statement; genesis is 1.
    from: u64,
}

/// A page of the log.
#[derive(Serialize, ToSchema)]
pub(super) struct Statements {
    /// Each in base64; empty behind the head.
    statements: Vec<String>,
}

/// Waits in line and gets a turn.
#[utoipa::path(post, path = "/v1/roster/turns",
    responses((status = 200, body = TurnGiven), (status = 429, body = Refused)))]
pub(super) async fn turn(
    State(services): State<Services>,
    signed_in: SignedIn,
) -> Result<Json<TurnGiven>, Refusal> {
    let holder = signed_in.enrolled().device().key.fingerprint();
    let turn = services.roster.turn(holder).await?;
    Ok(Json(TurnGiven {
        turn_id: turn.id.to_string(),
        head: HeadSeen::from(&turn.head),
        now_ms: turn.now.0,
        deadline_ms: turn.deadline.0,
    }))
}

/// Appends the statement that was signed in a turn.
#[utoipa::path(post, path = "/v1/roster/statements", request_body = Append,
    responses((status = 200, body = Appended), (status = 403, body = Refused), (status = 503, body = Refused)))]
pub(super) async fn append(
    State(services): State<Services>,
    signed_in: SignedIn,
    Body(append): Body<Append>,
) -> Result<Json<Appended>, Refusal> {
    let turn = append.turn_id.parse();
    let turn = turn.map_err(|_| Refusal::malformed("turn_id is not the name of a turn"))?;
    let sent = bytes("statement", &append.statement)?;
    let statement = Statement::decode(&sent[..])
        .map_err(|_| Refusal::malformed("statement is not a statement"))?;
    let holder = signed_in.enrolled().device().key.fingerprint();
    if statement.kind == u32::from(Kind::Own) {
        let registration = append.registration_id.as_deref();
        passkeys::check_seen(&services, &signed_in, registration, &statement).await?;
    }
    let appended = services.roster.append(turn, &holder, &statement).await?;
    Ok(Json(Appended {
        number: appended.number,
        hash: base64(&appended.hash),
    }))
}

/// A page of the log, in full.
#[utoipa::path(get, path = "/v1/roster/statements", params(FirstNumber),
    responses((status = 200, body = Statements), (status = 403, body = Refused)))]
pub(super) async fn statements(
    State(services): State<Services>,
    _: Admin,
    Asked(asked): Asked<FirstNumber>,
) -> Result<Json<Statements>, Refusal> {
    let page = services.roster.statements_from(asked.from).await?;
    let statements = page.iter().map(|it| base64(&it.encode_to_vec())).collect();
    Ok(Json(Statements { statements }))
}
