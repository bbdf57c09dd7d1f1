//! What a request brings, parsed at the edge.

use std::str::FromStr;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;

use super::refused::Refusal;

/// A JSON body. Unknown members are ignored, as everywhere where nothing restricts.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let read: Result<Json<T>, JsonRejection> = Json::from_request(request, state).await;
        match read {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(Refusal::malformed(rejection.body_text())),
        }
    }
}

/// The one parameter of a path.
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Named<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let read: Result<Path<String>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        let parsed = read.ok().and_then(|Path(text)| text.parse().ok());
        parsed
            .map(Self)
            .ok_or_else(|| Refusal::malformed("the name in the path is not one of its kind"))
    }
}

/// The parameters behind the question mark.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        match read {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Refusal::malformed(rejection.body_text())),
        }
    }
}

/// Bytes in base64 (RFC 4648, section 4).
pub(super) fn bytes(member: &str, text: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD
        .decode(text)
        .map_err(|_| Refusal::malformed(format!("{member} is not base64")))
}

/// 32 bytes in base64.
pub(super) fn hash(member: &str, text: &str) -> Result<[u8; 32], Refusal> {
    let bytes = bytes(member, text)?;
    sized(member, &bytes)
}

/// 32 bytes in base64url without padding, as PKCE has them (RFC 7636, section 4.2).
pub(super) fn pkce(member: &str, text: &str) -> Result<[u8; 32], Refusal> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Refusal::malformed(format!("{member} is not base64url")))?;
    sized(member, &bytes)
}

fn sized(member: &str, bytes: &[u8]) -> Result<[u8; 32], Refusal> {
    bytes
        .try_into()
        .map_err(|_| Refusal::malformed(format!("{member} is not 32 bytes")))
}

/// Bytes as the API shows them.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
