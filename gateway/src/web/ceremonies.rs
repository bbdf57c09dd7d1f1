//! The routes of a ceremony.

use adit_proto::wire::audit::Refusal;
use adit_proto::wire::audit::record::Event;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Site, page as pages};
use crate::ceremony::{CeremonyError, CeremonyId, Next};
use crate::refusal::Refused;

/// What the browser's call needs, and what the page shows.
#[derive(Serialize)]
struct Options {
    kind: &'static str,
    #[serde(rename = "publicKey")]
    public_key: Value,
    matching_code: String,
    device: String,
    owner: String,
    source_address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<String>,
}

/// What the browser's call is asked for with.
#[derive(Default, Deserialize)]
struct Asked {
    /// The code of the terminal, where it is typed.
    code: Option<String>,
}

/// Where the tab goes.
#[derive(Serialize)]
struct Goes {
    next: Option<String>,
    wait: bool,
}

impl From<Next> for Json<Goes> {
    fn from(next: Next) -> Self {
        Self(match next {
            Next::Go(place) => Goes {
                next: Some(place),
                wait: false,
            },
            Next::Wait => Goes {
                next: None,
                wait: true,
            },
            Next::Done => Goes {
                next: None,
                wait: false,
            },
        })
    }
}

pub(super) async fn page(State(site): State<Site>, Path(id): Path<String>) -> Response {
    let shown = match read(&id) {
        Ok(id) => site.ceremonies.page(id).await.map(|page| (id, page)),
        Err(error) => Err(error),
    };
    match shown {
        Ok((id, page)) => Html(pages::ceremony(&site.authority, id, &page)).into_response(),
        Err(error) => {
            let lead = "It is good once and for five minutes. Run the command in your terminal again; it opens a new page.";
            let text = pages::message(
                &site.authority,
                "This page has been used or has expired",
                lead,
            );
            (status(&error), Html(text)).into_response()
        }
    }
}

pub(super) async fn options(
    State(site): State<Site>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    // What cannot be read is nothing that was typed.
    let asked: Asked = serde_json::from_slice(&body).unwrap_or_default();
    let page = match read(&id) {
        Ok(id) => site.ceremonies.options(id, asked.code.as_deref()).await,
        Err(error) => Err(error),
    };
    if let Err(error @ CeremonyError::TypedCode) = &page {
        note(&site, error).await;
    }
    match page {
        Ok(page) => Json(Options {
            kind: page.kind.as_str(),
            public_key: page.options,
            matching_code: page.shown.matching_code,
            device: page.shown.device,
            owner: page.shown.owner,
            source_address: page.shown.source_address,
            words: page.shown.words,
        })
        .into_response(),
        Err(error) => refused(&error),
    }
}

pub(super) async fn answer(
    State(site): State<Site>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let answered = match read(&id) {
        Ok(id) => {
            let roster = site.roster.snapshot();
            site.ceremonies.answer(id, &body, roster.as_deref()).await
        }
        Err(error) => Err(error),
    };
    match answered {
        Ok(next) => Json::<Goes>::from(next).into_response(),
        Err(error) => {
            note(&site, &error).await;
            refused(&error)
        }
    }
}

/// One event for each answer that was refused. Ids that name nothing are a stranger's noise, and not kept.
async fn note(site: &Site, error: &CeremonyError) {
    if matches!(error, CeremonyError::Gone | CeremonyError::Store(_)) {
        return;
    }
    let refusal = Refusal {
        actor: None,
        subject: "the answer to a ceremony".to_owned(),
        reason: error.reason().to_string(),
        detail: error.to_string(),
    };
    site.audit.note(Event::Refusal(refusal)).await;
}

pub(super) async fn next(State(site): State<Site>, Path(id): Path<String>) -> Response {
    let next = match read(&id) {
        Ok(id) => site.ceremonies.next(id).await,
        Err(error) => Err(error),
    };
    match next {
        Ok(next) => Json::<Goes>::from(next).into_response(),
        Err(error) => refused(&error),
    }
}

fn read(id: &str) -> Result<CeremonyId, CeremonyError> {
    id.parse().map_err(|_| CeremonyError::Gone)
}

fn status(error: &CeremonyError) -> StatusCode {
    if matches!(error, CeremonyError::Gone) {
        return StatusCode::GONE;
    }
    StatusCode::from_u16(error.reason().http_status()).unwrap_or(StatusCode::FORBIDDEN)
}

fn refused(error: &CeremonyError) -> Response {
    tracing::info!(reason = %error.reason(), error = %error, "A ceremony was refused.");
    let body = Refused::new(error.reason(), error.to_string());
    (status(error), Json(body)).into_response()
}
