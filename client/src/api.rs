//! The gateway's API: HTTP/1.1 with JSON, each request on a stream of the control connection.

use adit_proto::Reason;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::carry::Duplex;
use crate::exit::{Exit, Failure};
use crate::reset;

/// Longest answer that is kept, in bytes: a page of the audit log, or a roster in full.
const ANSWER_MAX: usize = 64 << 20;

/// An answer of the API, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// JSON, or nothing.
    pub body: Bytes,
}

impl Answer {
    /// The JSON of a success, or the failure that the gateway named.
    ///
    /// # Errors
    /// What the gateway said.
    pub fn into_json(self) -> Result<Value, Failure> {
        let json: Option<Value> = serde_json::from_slice(&self.body).ok();
        if self.status.is_success() {
            return match json {
                Some(json) => Ok(json),
                None if self.body.is_empty() => Ok(Value::Null),
                None => Err(Failure::of(
                    Reason::VersionUnsupported,
                    "the gateway's answer is not JSON",
                )),
            };
        }
        let text = |key: &str| json.as_ref()?.get(key)?.as_str().map(printable);
        let message = text("message")
            .unwrap_or_else(|| format!("the gateway answered with status {}", self.status));
        let code = text("code");
        let reason: Option<Reason> = code.as_deref().and_then(|code| code.parse().ok());
        Err(Failure {
            exit: reason.map_or(Exit::Failed, Exit::from),
            message,
            repair: text("repair").or_else(|| reason.map(|reason| reason.repair().to_owned())),
            code,
        })
    }
}

/// What a terminal shows and does not obey; the lines of a policy's errors stay apart.
fn printable(text: &str) -> String {
    let shows = |letter: &char| *letter == '\n' || !letter.is_control();
    text.chars().filter(shows).collect()
}

/// Whoever sends requests to the API.
pub trait Api: Send + Sync {
    /// Sends one request and gives the answer, whatever its status.
    ///
    /// # Errors
    /// When there is no answer.
    ///
    /// # Cancel safety
    /// Dropping it resets the stream; the gateway may have acted.
    fn send<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        body: Option<Value>,
    ) -> BoxFuture<'a, Result<Answer, Failure>>;
}

/// Sends one request and reads the answer as `T`.
///
/// # Errors
/// What the gateway said, or why there is no answer.
pub async fn ask<T: DeserializeOwned>(
    api: &dyn Api,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<T, Failure> {
    let json = api.send(method, path, body).await?.into_json()?;
    serde_json::from_value(json).map_err(|error| {
        let message = format!("the gateway's answer to {path} cannot be read: {error}");
        Failure::of(Reason::VersionUnsupported, message)
    })
}

/// Exchanges one request and its answer over `stream`.
///
/// # Errors
/// When the path is none, or no answer came.
pub(crate) async fn exchange(
    stream: Box<dyn Duplex>,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        let reason = reset::reason(error).unwrap_or(Reason::GatewayUnreachable);
        Failure::of(reason, "the gateway gave no answer")
    };
    let malformed = |error| {
        let message = format!("{path} is no path of the API: {error}");
        Failure::of(Reason::RequestMalformed, message)
    };
    let text = body.map(Value::to_string).unwrap_or_default();
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::HOST, "adit");
    if body.is_some() {
        request = request.header(http::header::CONTENT_TYPE, "application/json");
    }
    let request = request
        .body(Full::new(Bytes::from(text)))
        .map_err(malformed)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| failed(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX);
        let body = body.collect().await.map_err(|error| failed(&*error))?;
        let body = body.to_bytes();
        Ok(Answer { status, body })
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        ended = connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(failed(&error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_gateway_says_becomes_a_failure_with_its_exit_code() {
        let answer = |status: u16, body: &'static str| Answer {
            status: StatusCode::from_u16(status).unwrap(),
            body: Bytes::from_static(body.as_bytes()),
        };
        let refused =
            r#"{"code":"sign_in_required","message":"nobody is signed in","repair":"run it"}"#;
        let failure = answer(401, refused).into_json().unwrap_err();
        assert_eq!(failure.exit, Exit::SignIn);
        assert_eq!(failure.repair.as_deref(), Some("run it"));
        let newer = answer(403, r#"{"code":"of_a_later_version"}"#)
            .into_json()
            .unwrap_err();
        assert_eq!((newer.exit, newer.reason()), (Exit::Failed, None));
        let hostile =
            r#"{"code":"x\u001b","message":"a\u001b[2J\u009b2J\nb\r","repair":"c\u0007"}"#;
        let shown = answer(403, hostile).into_json().unwrap_err().to_string();
        assert_eq!(shown, "a[2J2J\nb (x)\n  c");
        assert_eq!(answer(204, "").into_json().unwrap(), Value::Null);
        assert!(answer(200, "<html>").into_json().is_err());
        assert!(
            answer(500, "oops")
                .into_json()
                .unwrap_err()
                .message
                .contains("500")
        );
    }
}
