//! One request and its answer: parsed, decided, recorded, rebuilt, forwarded.

use std::sync::Arc;

use adit_policy::{Impersonation, KubeRequest, KubeStatus, RequestClass, headers};
use adit_proto::Reason;
use adit_proto::id::RequestId;
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::audit::{RequestIntent, RequestOutcome};
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::answer::{self, Answer, Outcome};
use super::request_body::RequestBody;
use super::serve::{Ending, Kube};
use super::upstream::UpstreamError;
use crate::audit::{AuditError, event::bounded};
use crate::random;
use crate::session::Session;

/// A request that may go upstream: nothing in it is the client's text.
struct Prepared {
    request: KubeRequest,
    headers: HeaderMap,
}

/// Serves one request. Every way out has an intent in the audit log, and an outcome if it was forwarded.
pub(super) async fn exchange<E: Ending>(
    kube: Arc<Kube>,
    session: Arc<Session>,
    target: &str,
    ending: E,
    request: Request<Incoming>,
) -> Response<Answer<E>> {
    let begun = Instant::now();
    let Ok(random) = random::bytes() else {
        return answer::status(&unavailable(&AuditError::Record), &ending);
    };
    let id = RequestId::from_parts(kube.clock.wall(), random);
    let (parts, body) = request.into_parts();
    let mut intent = RequestIntent {
        actor: Some(session.actor()),
        request_id: id.to_string(),
        ..RequestIntent::default()
    };
    let prepared = match prepare(&kube, &session, (target, &parts, id), &mut intent).await {
        Ok(prepared) => prepared,
        Err(status) => {
            status.reason().as_str().clone_into(&mut intent.reason);
            kube.audit.note(Event::RequestIntent(intent));
            return answer::status(&status, &ending);
        }
    };
    let request_id = intent.request_id.clone();
    if let Err(error) = record(&kube, prepared.request.class(), intent).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a request was refused without an audit log"
        );
        return answer::status(&unavailable(&error), &ending);
    }
    let (body, received) = RequestBody::new(body);
    let outcome = Outcome {
        audit: kube.audit.clone(),
        session,
        begun,
        received,
        event: RequestOutcome {
            request_id,
            ..RequestOutcome::default()
        },
        whole: false,
    };
    forward(&kube, prepared, body, outcome, ending).await
}

/// Parses, decides, and builds the headers. Fills in what the request is as soon as that is known.
async fn prepare(
    kube: &Kube,
    session: &Arc<Session>,
    (target, parts, id): (&str, &http::request::Parts, RequestId),
    intent: &mut RequestIntent,
) -> Result<Prepared, KubeStatus> {
    let parsed = KubeRequest::parse(&parts.method, target, &parts.headers);
    let request = parsed.map_err(|error| {
        parts.method.as_str().clone_into(&mut intent.verb);
        intent.path = bounded(target.split('?').next().unwrap_or_default());
        KubeStatus::from(&error)
    })?;
    describe(&request, intent);
    // Asking for an identity is refused whatever else is wrong with a request.
    headers::refuse_impersonation(&parts.headers).map_err(|error| KubeStatus::from(&error))?;
    if request.class() == RequestClass::Stream {
        let sentence =
            "exec, attach, port-forward, proxy and other upgrades come with the next version";
        return Err(KubeStatus::new(Reason::RequestUnsupported, sentence));
    }
    let standing = kube
        .sessions
        .standing(session)
        .await
        .map_err(|refusal| refusal.status())?;
    let identity: &Impersonation = standing.impersonation().ok_or_else(|| {
        KubeStatus::new(
            Reason::UnknownOrForbidden,
            "this session is not one for an API server",
        )
    })?;
    intent.kube_groups = identity
        .assumed()
        .groups()
        .iter()
        .map(|group| group.as_str().to_owned())
        .collect();
    let headers = headers::upstream(&parts.headers, identity, id)
        .map_err(|error| KubeStatus::from(&error))?;
    Ok(Prepared { request, headers })
}

fn describe(request: &KubeRequest, intent: &mut RequestIntent) {
    let text = |text: Option<&str>| bounded(text.unwrap_or_default());
    match request {
        KubeRequest::Resource(resource) => {
            resource.verb().as_str().clone_into(&mut intent.verb);
            intent.group = bounded(resource.group());
            intent.version = bounded(resource.version());
            intent.resource = bounded(resource.resource());
            intent.subresource = text(resource.subresource());
            intent.namespace = text(resource.namespace());
            intent.name = text(resource.name());
        }
        KubeRequest::NonResource(_) | KubeRequest::Proxy(_) => {
            intent.verb = request.method().as_str().to_ascii_lowercase();
            let path = request.encode();
            intent.path = bounded(path.split('?').next().unwrap_or_default());
        }
    }
}

async fn record(kube: &Kube, class: RequestClass, intent: RequestIntent) -> Result<(), AuditError> {
    let event = Event::RequestIntent(intent);
    if class.is_synced_first() {
        kube.audit.record_synced(event).await
    } else {
        kube.audit.record(event).map(|_| ())
    }
}

async fn forward<E: Ending>(
    kube: &Kube,
    prepared: Prepared,
    body: RequestBody,
    mut outcome: Outcome,
    ending: E,
) -> Response<Answer<E>> {
    let target = prepared.request.encode();
    let method = prepared.request.method().clone();
    let sent = kube
        .upstream
        .send(method, &target, prepared.headers, body)
        .await;
    let (response, slot) = match sent {
        Ok((response, slot)) if is_answer(response.status()) => (response, slot),
        Ok((response, _)) => {
            tracing::warn!(
                http.status = response.status().as_u16(),
                "the API server does not take the connector's credential, or answers out of order"
            );
            let sentence = "the API server does not accept the connector";
            return refuse(
                &KubeStatus::new(Reason::TargetOffline, sentence),
                outcome,
                &ending,
            );
        }
        Err(error) => return refuse(&failed(&error, &outcome), outcome, &ending),
    };
    let (mut parts, incoming) = response.into_parts();
    outcome.event.status = parts.status.as_u16().into();
    parts.headers = headers::downstream(&parts.headers);
    Response::from_parts(parts, Answer::upstream(incoming, ending, outcome, slot))
}

/// 401 concerns the connector's credential, which the client cannot mend, and must not make it try others. No upgrade
/// was asked for.
fn is_answer(status: StatusCode) -> bool {
    status != StatusCode::UNAUTHORIZED && !status.is_informational()
}

fn refuse<E: Ending>(status: &KubeStatus, mut outcome: Outcome, ending: &E) -> Response<Answer<E>> {
    status
        .reason()
        .as_str()
        .clone_into(&mut outcome.event.reason);
    answer::status(status, ending)
}

fn failed(error: &UpstreamError, outcome: &Outcome) -> KubeStatus {
    if outcome
        .received
        .impersonates
        .load(std::sync::atomic::Ordering::Acquire)
    {
        let sentence = "the request's trailers ask for another identity";
        return KubeStatus::new(Reason::ImpersonationRefused, sentence);
    }
    let reason = match error {
        UpstreamError::Busy => Reason::LimitReached,
        UpstreamError::Address(_) => Reason::RequestMalformed,
        UpstreamError::NoCredential | UpstreamError::NoAnswer(_) => Reason::TargetOffline,
    };
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "the API server gave no answer"
    );
    KubeStatus::new(reason, &error.to_string())
}

fn unavailable(error: &AuditError) -> KubeStatus {
    KubeStatus::new(Reason::AuditUnavailable, &error.to_string())
}
