//! The public HTTPS listener: pages for people's browsers, and nothing else.
//!
//! It has the ceremony pages, a page with instructions, their two assets and a health probe. There is no admin surface,
//! no cookie, no session and no field for an invitation. A ceremony's id is 128 random bits that live for minutes; what
//! its page can do is decided by a passkey. Texts of others are shown as text, and no address of a client's making is
//! ever a place that a page goes to.

mod ceremonies;
mod declared;
mod guard;
mod listener;
mod page;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

pub use declared::{Declared, Page};
pub use listener::{ListenError, Scheme, serve};

use crate::ceremony::Ceremonies;
use crate::roster_log::RosterLog;

/// Longest request body. A registration with an attestation chain is about 8 KiB.
const BODY_MAX: usize = 64 << 10;
/// How long a request may take from its head to the end of its answer. Nothing here waits for a person.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// What the pages need.
#[derive(Clone, Debug)]
pub struct Site {
    ceremonies: Arc<Ceremonies>,
    roster: Arc<RosterLog>,
    audit: Arc<crate::audit::Audit>,
    /// Host, and port if it is not the scheme's own: the one Host that is answered.
    authority: Arc<str>,
}

impl Site {
    /// Makes the site of `public_url`, whose authority is `authority`.
    #[must_use]
    pub fn new(
        ceremonies: Arc<Ceremonies>,
        roster: Arc<RosterLog>,
        audit: Arc<crate::audit::Audit>,
        authority: &str,
    ) -> Self {
        Self {
            ceremonies,
            roster,
            audit,
            authority: authority.into(),
        }
    }

    /// The one origin whose scripts may send something.
    fn origin(&self) -> &str {
        &self.ceremonies.settings().origin
    }
}

/// Every page of the public listener.
#[must_use]
pub fn declare() -> Declared {
    Declared::new()
        .any_host("/health", || async { "ok\n" })
        .read("/", landing)
        .read("/assets/ceremony.js", script)
        .read("/assets/ceremony.css", style)
        .read("/ceremony/{id}", ceremonies::page)
        .send("/ceremony/{id}/options", ceremonies::options)
        .send("/ceremony/{id}/answer", ceremonies::answer)
        .read("/ceremony/{id}/next", ceremonies::next)
}

/// The router of the public listener.
pub fn router(site: Site) -> Router {
    let (open, pages) = declare().into_parts();
    let pages = pages
        .fallback(not_here)
        .layer(middleware::from_fn_with_state(
            site.clone(),
            guard::same_site,
        ));
    open.merge(pages)
        // Refuses what says that it is too long before it is read, and cuts off what does not say so.
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(BODY_MAX))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            REQUEST_TIME,
        ))
        .layer(middleware::map_response(guard::headers))
        .with_state(site)
}

async fn landing(State(site): State<Site>) -> Html<String> {
    Html(page::landing(&site.authority))
}

async fn script() -> Response {
    asset("text/javascript; charset=utf-8", page::SCRIPT)
}

async fn style() -> Response {
    asset("text/css; charset=utf-8", page::STYLE)
}

/// An asset of this version; asked for again at each page, so that an upgrade never mixes versions.
fn asset(kind: &'static str, content: &'static str) -> Response {
    const HEADERS: [HeaderName; 2] = [header::CONTENT_TYPE, header::CACHE_CONTROL];
    let [content_type, cache] = HEADERS;
    ([(content_type, kind), (cache, "no-cache")], content).into_response()
}

async fn not_here(State(site): State<Site>) -> Response {
    let lead =
        "This gateway has no such page. Everything begins with the command adit in your terminal.";
    let text = page::message(&site.authority, "Nothing here", lead);
    (StatusCode::NOT_FOUND, Html(text)).into_response()
}
