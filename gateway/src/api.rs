//! The API on the control connection: HTTP/1.1 with JSON, one router, declared once.
//!
//! Who calls is known from TLS ([`Caller`](crate::caller::Caller)) and from the sign-in of that device; there is no
//! token and no cookie. Each route is declared in [`declare`] with the role that it needs, and from that one declaration
//! come the router, the OpenAPI document and the list that the table of denials is checked against. A handler takes the
//! proof of its role as an argument, which only the check in front of it can make.

mod admin;
mod clusters;
mod declared;
mod devices;
mod input;
mod me;
mod passkeys;
mod refused;
mod role;
mod roster;
mod sessions;
mod sign_ins;
mod touches;

use axum::extract::DefaultBodyLimit;
use axum::{Extension, Json, Router};
use utoipa_axum::routes;

pub use declared::{Declared, Route};
pub use refused::Refusal;
pub use role::{Admin, Enrolled, Needs, SignedIn};

use crate::services::Services;

/// Longest request body: a statement or a policy of 512 KiB, in base64 or escaped.
const BODY_MAX: usize = 2 << 20;

/// Every route of the API.
#[must_use]
pub fn declare() -> Declared {
    Declared::new()
        .add::<Enrolled>(routes!(me::whoami))
        .add::<Enrolled>(routes!(document))
        .add::<Enrolled>(routes!(sign_ins::begin))
        .add::<Enrolled>(routes!(sign_ins::wait))
        .add::<Enrolled>(routes!(sign_ins::finish))
        .add::<SignedIn>(routes!(sign_ins::end))
        .add::<SignedIn>(routes!(clusters::clusters))
        .add::<SignedIn>(routes!(clusters::services))
        .add::<SignedIn>(routes!(sessions::open))
        .add::<SignedIn>(routes!(sessions::list))
        .add::<SignedIn>(routes!(sessions::end))
        .add::<SignedIn>(routes!(devices::own))
        .add::<SignedIn>(routes!(passkeys::own))
        .add::<SignedIn>(routes!(passkeys::register))
        .add::<SignedIn>(routes!(passkeys::registered))
        .add::<SignedIn>(routes!(touches::begin))
        .add::<SignedIn>(routes!(touches::wait))
        .add::<SignedIn>(routes!(roster::turn))
        .add::<SignedIn>(routes!(roster::append))
        .add::<Admin>(routes!(roster::statements))
        .add::<Admin>(routes!(admin::policies::keep))
        .add::<Admin>(routes!(admin::policies::check))
        .add::<Admin>(routes!(admin::policies::current))
        .add::<Admin>(routes!(admin::policies::numbered))
        .add::<Admin>(routes!(admin::people::users))
        .add::<Admin>(routes!(admin::people::devices))
        .add::<Admin>(routes!(admin::people::invitations))
        .add::<Admin>(routes!(admin::clusters::clusters))
        .add::<Admin>(routes!(admin::clusters::sessions))
        .add::<Admin>(routes!(admin::suspensions::suspend))
        .add::<Admin>(routes!(admin::suspensions::resume))
        .add::<Admin>(routes!(admin::audit::events))
}

/// The router. Requests carry an `Extension<Caller>`.
pub fn router(services: Services) -> Router {
    let (router, _) = declare().into_parts();
    router
        .fallback(refused::no_such_route)
        .method_not_allowed_fallback(refused::no_such_route)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(Extension(services.clone()))
        .with_state(services)
}

/// The OpenAPI document of this API.
#[utoipa::path(get, path = "/v1/openapi.json", responses((status = 200, description = "The document.")))]
async fn document(_: Enrolled) -> Json<utoipa::openapi::OpenApi> {
    let (_, document) = declare().into_parts();
    Json(document)
}

#[cfg(test)]
mod tests;
