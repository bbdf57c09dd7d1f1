//! The whole log, fetched from the gateway and verified here.

use std::sync::Arc;

use adit_proto::Reason;
use adit_proto::label::Hash;
use adit_proto::roster::{Relation, Roster};
use adit_proto::statement::{Head, StatementError};
use adit_proto::wire::roster::Statement;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use prost::Message;
use serde::Deserialize;

use super::{Desk, say};
use crate::api::{Api, ask};
use crate::exit::Failure;

/// The verified log with the statements that it was made from.
#[derive(Clone, Debug)]
pub struct VerifiedLog {
    /// What it amounts to.
    pub roster: Roster,
    /// The statements, from genesis on.
    pub statements: Vec<Statement>,
}

impl VerifiedLog {
    /// Fetches and verifies the log that begins with the statement of the hash `genesis`.
    ///
    /// # Errors
    /// A failure of the gateway, or why a statement does not verify.
    ///
    /// # Cancel safety
    /// Nothing is lost but the statements that were read.
    pub async fn fetch(api: &dyn Api, genesis: &Hash) -> Result<Self, Failure> {
        let (mut roster, mut statements) = (None, Vec::new());
        loop {
            let from = statements.len().saturating_add(1);
            let page = page(api, u64::try_from(from).unwrap_or(u64::MAX)).await?;
            if page.is_empty() {
                break;
            }
            extend(&mut roster, &page, genesis)?;
            statements.extend(page);
        }
        let roster = roster.ok_or_else(withheld)?;
        Ok(Self { roster, statements })
    }
}

/// Brings `known` up to the gateway's head.
pub(super) async fn fetch(
    desk: &impl Desk,
    genesis: &Hash,
    known: Option<Arc<Roster>>,
) -> Result<Arc<Roster>, Failure> {
    let next = |roster: Option<&Roster>| roster.map_or(1, |it| it.number().saturating_add(1));
    let mut first = page(desk.api(), next(known.as_deref())).await?;
    if let (true, Some(known)) = (first.is_empty(), &known) {
        return Ok(known.clone());
    }
    let mut roster = known.map(Arc::unwrap_or_clone);
    while !first.is_empty() {
        extend(&mut roster, &first, genesis)?;
        first = page(desk.api(), next(roster.as_ref())).await?;
    }
    roster.map(Arc::new).ok_or_else(withheld)
}

/// Refuses a log that lacks what the agent has seen, or is another branch.
pub(super) fn check_followed(roster: &Roster, followed: Option<&Head>) -> Result<(), Failure> {
    let Some(followed) = followed else {
        return Ok(());
    };
    match roster.relation(followed) {
        Relation::Same | Relation::Behind => Ok(()),
        Relation::Ahead => Err(Failure::of(
            Reason::RosterStale,
            "the gateway holds statements back that this device has seen",
        )),
        Relation::Fork | Relation::OtherLog => Err(Failure::of(
            Reason::RosterFork,
            "the gateway shows another history than this device has seen",
        )),
    }
}

async fn page(api: &dyn Api, from: u64) -> Result<Vec<Statement>, Failure> {
    #[derive(Deserialize)]
    struct Page {
        statements: Vec<String>,
    }
    let path = format!("/v1/roster/statements?from={from}");
    let page: Page = ask(api, Method::GET, &path, None).await?;
    let decode = |text: &String| {
        let bytes = STANDARD.decode(text).ok()?;
        Statement::decode(&bytes[..]).ok()
    };
    let decoded = page.statements.iter().map(decode).collect::<Option<_>>();
    decoded.ok_or_else(|| Failure::of(Reason::RequestMalformed, "a statement cannot be read"))
}

fn extend(
    roster: &mut Option<Roster>,
    statements: &[Statement],
    genesis: &Hash,
) -> Result<(), Failure> {
    for statement in statements {
        if let Some(roster) = roster {
            roster.append(statement).map_err(|error| refused(&error))?;
        } else {
            let founded = Roster::found(statement).map_err(|error| refused(&error))?;
            if founded.genesis() != *genesis {
                return Err(Failure::of(
                    Reason::RosterFork,
                    "the gateway shows the log of another deployment",
                ));
            }
            *roster = Some(founded);
        }
    }
    Ok(())
}

fn refused(error: &StatementError) -> Failure {
    let why = say::causes(error);
    Failure::of(
        error.reason(),
        format!("the gateway's roster does not verify: {why}"),
    )
}

fn withheld() -> Failure {
    Failure::of(Reason::RosterStale, "the gateway shows no roster")
}
