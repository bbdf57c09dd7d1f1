//! One request and its answer: parsed, recorded, rebuilt, forwarded.

use adit_policy::WebRequest;
use adit_proto::Reason;
use http::{HeaderValue, Request, Response, Uri};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;

use super::answer::{self, Answer};
use super::identity::{Asker, IdentityError};
use super::request_body::RequestBody;
use super::splice::Splice;
use super::{Visit, Web};
use crate::h1::{Asked, Ending, ask};

/// What a request is served with.
pub(super) struct Call<'a, E> {
    pub(super) web: &'a Web,
    pub(super) visit: &'a Visit<'a>,
    pub(super) ending: E,
    /// Where the bytes go that follow a 101.
    pub(super) spliced: &'a Mutex<Option<Splice>>,
}

/// Serves one request. What is forwarded has an intent in the audit log and an outcome, what is refused a refusal.
pub(super) async fn exchange<E: Ending>(
    call: Call<'_, E>,
    target: &str,
    mut request: Request<Incoming>,
) -> Response<Answer<E>> {
    let client = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let origin = call.visit.application.origin();
    let parsed = WebRequest::parse(&parts.method, target, &parts.headers, origin);
    let refused = match parsed {
        Ok(asked) if !asked.upgrades() || body.is_end_stream() => {
            return forward(call, &asked, body, client).await;
        }
        Ok(_) => (
            Reason::RequestMalformed,
            "a request that asks for an upgrade has no body".to_owned(),
        ),
        Err(error) => (error.reason(), error.to_string()),
    };
    let (reason, sentence) = refused;
    call.web
        .note_refusal(&call.visit.session, reason, &sentence);
    answer::refusal(reason, &sentence, &call.ending)
}

async fn forward<E: Ending>(
    call: Call<'_, E>,
    asked: &WebRequest,
    body: Incoming,
    client: OnUpgrade,
) -> Response<Answer<E>> {
    let Call {
        web, visit, ending, ..
    } = &call;
    let identity = match identity(web, visit) {
        Ok(identity) => identity,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "nobody can be told who asks"
            );
            return answer::refusal(Reason::TargetOffline, &error.to_string(), ending);
        }
    };
    let dialled = visit
        .services
        .dial_application(&visit.session, visit.application);
    let (connection, mut tally) = match dialled.await {
        Ok(dialled) => dialled.into_parts(),
        Err(error) => return answer::refusal(error.reason(), &error.to_string(), ending),
    };
    let mut request = Request::new(RequestBody(body));
    *request.method_mut() = asked.method().clone();
    *request.uri_mut() = Uri::from(asked.target().clone());
    *request.headers_mut() = asked.headers(identity);
    let failed = match ask(TokioIo::new(connection), request).await {
        Ok(Asked::Answered(response)) if !response.status().is_informational() => {
            let (mut parts, body) = response.into_parts();
            parts.headers = asked.answer(&parts.headers);
            let answer = Answer::application(body, call.ending, tally);
            return Response::from_parts(parts, answer);
        }
        Ok(Asked::Switched(headers, io, read)) => match asked.switched(&headers) {
            Some(headers) => {
                *call.spliced.lock() = Some(Splice {
                    client,
                    application: io.into_inner(),
                    read,
                    tally,
                });
                return answer::switched(headers);
            }
            None => "the application switched to another protocol than was asked for",
        },
        Ok(Asked::Answered(_)) | Err(_) => "the application gave no answer",
    };
    tally.failed(Reason::TargetOffline);
    answer::refusal(Reason::TargetOffline, failed, ending)
}

/// The token that says who asks.
fn identity(web: &Web, visit: &Visit<'_>) -> Result<HeaderValue, IdentityError> {
    let actor = visit.session.actor();
    let groups = actor.user_id.parse().ok().and_then(|id| {
        let known = web.book.known().ok()?;
        Some(known.roster().user(id)?.groups.clone())
    });
    let asker = Asker {
        actor,
        groups: groups.unwrap_or_default(),
        target: visit.session.target().to_string(),
    };
    web.identities.token(&asker)
}
