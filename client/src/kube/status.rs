//! Kubernetes `Status` answers of the agent itself, which kubectl prints.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use adit_proto::Reason;

use crate::exit::Failure;

/// Makes the answer for `failure`: its reason's HTTP status, reason and repair as causes.
#[must_use]
pub fn answer(failure: &Failure) -> Response<Full<Bytes>> {
    let status = failure.reason().map_or(StatusCode::BAD_GATEWAY, of_reason);
    answer_as(status, failure)
}

/// The same with an HTTP status of the caller's choice.
#[must_use]
pub fn answer_as(status: StatusCode, failure: &Failure) -> Response<Full<Bytes>> {
    let code = failure.code.as_deref().unwrap_or("agent");
    let repair = failure.repair.as_deref().unwrap_or_default();
    let message = match failure.further_repair() {
        None => failure.message.clone(),
        Some(repair) => format!("{}: {repair}", failure.message),
    };
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": name(status),
        "details": {"causes": [{"reason": code, "message": failure.message, "field": repair}]},
        "code": status.as_u16(),
    });
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn of_reason(reason: Reason) -> StatusCode {
    StatusCode::from_u16(reason.http_status()).unwrap_or(StatusCode::FORBIDDEN)
}

/// The API machinery's name of a status (`metav1.StatusReason`).
fn name(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_status_names_reason_and_repair_and_says_nothing_of_retrying() {
        let failure = Failure::of(Reason::TargetOffline, "the cluster prod does not answer");
        let response = answer(&failure);
        assert_eq!(response.status(), 503);
        assert!(!response.headers().contains_key("retry-after"));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["kind"], "Status");
        assert_eq!(body["code"], 503);
        assert_eq!(body["details"]["causes"][0]["reason"], "target_offline");
        assert!(body["message"].as_str().unwrap().contains("adit clusters"));
    }
}
