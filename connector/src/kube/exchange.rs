//! One request and its answer: parsed, decided, recorded, rebuilt, forwarded.

use std::sync::Arc;

use adit_policy::request::Upgrade;
use adit_policy::{Impersonation, KubeRequest, KubeStatus, MayProxy, RequestClass, headers};
use adit_proto::Reason;
use adit_proto::id::RequestId;
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::audit::{RequestIntent, RequestOutcome};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::answer::{self, Answer, Outcome};
use super::request_body::RequestBody;
use super::serve::Kube;
use super::splice::Splice;
use super::upstream::{Answered, UpstreamBody, UpstreamError};
use crate::audit::{AuditError, event::bounded};
use crate::h1::Ending;
use crate::random;
use crate::session::{Refusal, Session};

/// What a request is served with.
pub(super) struct Call<E> {
    pub(super) kube: Arc<Kube>,
    pub(super) session: Arc<Session>,
    pub(super) ending: E,
    /// Where the bytes go that follow a 101.
    pub(super) spliced: Arc<Mutex<Option<Splice>>>,
}

/// A request as it came.
struct Arrived<'a> {
    /// Path and query as they were sent.
    target: &'a str,
    parts: Parts,
    has_body: bool,
    id: RequestId,
}

/// A request that may go upstream: nothing in it is the client's text.
struct Prepared {
    request: KubeRequest,
    headers: HeaderMap,
}

/// Serves one request. Every way out has an intent in the audit log, and an outcome if it was forwarded.
pub(super) async fn exchange<E: Ending>(
    call: Call<E>,
    target: &str,
    mut request: Request<Incoming>,
) -> Response<Answer<E>> {
    let begun = Instant::now();
    let (kube, session) = (&call.kube, &call.session);
    let Ok(random) = random::bytes() else {
        return answer::status(&unavailable(&AuditError::Record), &call.ending);
    };
    let id = RequestId::from_parts(kube.clock.wall(), random);
    let client = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let mut intent = RequestIntent {
        actor: Some(session.actor()),
        request_id: id.to_string(),
        ..RequestIntent::default()
    };
    let arrived = Arrived {
        target,
        parts,
        has_body: !body.is_end_stream(),
        id,
    };
    let prepared = match prepare(kube, session, &arrived, &mut intent).await {
        Ok(prepared) => prepared,
        Err(status) => {
            status.reason().as_str().clone_into(&mut intent.reason);
            let refused = Event::RequestIntent(intent);
            kube.audit
                .note_refusal(session.device(), &session.actor(), refused);
            return answer::status(&status, &call.ending);
        }
    };
    let request_id = intent.request_id.clone();
    if let Err(error) = record(kube, prepared.request.class(), intent).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a request was refused without an audit log"
        );
        return answer::status(&unavailable(&error), &call.ending);
    }
    let (body, received) = RequestBody::new(body);
    let outcome = Outcome {
        audit: kube.audit.clone(),
        session: session.clone(),
        begun,
        received,
        event: RequestOutcome {
            request_id,
            ..RequestOutcome::default()
        },
        whole: false,
    };
    match prepared.request.upgrade() {
        None => forward(call, prepared, body, outcome).await,
        Some(asked) => upgrade(call, prepared, (asked, client), outcome).await,
    }
}

/// Parses, decides, and builds the headers. Fills in what the request is as soon as that is known.
async fn prepare(
    kube: &Kube,
    session: &Arc<Session>,
    arrived: &Arrived<'_>,
    intent: &mut RequestIntent,
) -> Result<Prepared, KubeStatus> {
    let Parts {
        method, headers, ..
    } = &arrived.parts;
    let parsed = KubeRequest::parse(method, arrived.target, headers);
    let request = parsed.map_err(|error| {
        method.as_str().clone_into(&mut intent.verb);
        intent.path = bounded(arrived.target.split('?').next().unwrap_or_default());
        KubeStatus::from(&error)
    })?;
    describe(&request, intent);
    // Asking for an identity is refused whatever else is wrong with a request.
    headers::refuse_impersonation(headers).map_err(|error| KubeStatus::from(&error))?;
    if request.upgrade().is_some() && arrived.has_body {
        let sentence = "a request that asks for an upgrade has no body";
        return Err(KubeStatus::new(Reason::RequestMalformed, sentence));
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
    if let KubeRequest::Proxy(_) = request {
        let _: MayProxy = standing.proxy().map_err(Refusal::status)?;
    }
    intent.kube_groups = identity
        .assumed()
        .groups()
        .iter()
        .map(|group| group.as_str().to_owned())
        .collect();
    let headers = headers::upstream(headers, &request, identity, arrived.id)
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
    call: Call<E>,
    prepared: Prepared,
    body: RequestBody,
    outcome: Outcome,
) -> Response<Answer<E>> {
    let target = prepared.request.encode();
    let method = prepared.request.method().clone();
    let answers = Answers::to(&prepared.request);
    let upstream = &call.kube.upstream;
    let sent = upstream.send(method, &target, prepared.headers, body).await;
    pass_on(sent, answers, outcome, call.ending)
}

/// Forwards a request that asks for an upgrade. After a 101 its bytes are carried once that was sent to the client.
async fn upgrade<E: Ending>(
    call: Call<E>,
    prepared: Prepared,
    (asked, client): (Upgrade, OnUpgrade),
    mut outcome: Outcome,
) -> Response<Answer<E>> {
    let target = prepared.request.encode();
    let method = prepared.request.method().clone();
    let answers = Answers::to(&prepared.request);
    let upstream = &call.kube.upstream;
    let sent = upstream
        .upgrade((method, asked), &target, prepared.headers)
        .await;
    match sent {
        Ok((Answered::Switched(headers, stream), slot)) => {
            outcome.event.status = StatusCode::SWITCHING_PROTOCOLS.as_u16().into();
            *call.spliced.lock() = Some(Splice::new(client, stream, outcome, slot));
            answer::switched(headers)
        }
        Ok((Answered::Other(response), slot)) => {
            pass_on(Ok((response, slot)), answers, outcome, call.ending)
        }
        Err(error) => pass_on(Err(error), answers, outcome, call.ending),
    }
}

/// Passes an answer on, or says why there is none.
fn pass_on<E: Ending>(
    sent: Result<(Response<UpstreamBody>, OwnedSemaphorePermit), UpstreamError>,
    answers: Answers,
    mut outcome: Outcome,
    ending: E,
) -> Response<Answer<E>> {
    let (response, slot) = match sent {
        Ok((response, slot)) if answers.are_for_client(response.status()) => (response, slot),
        Ok((response, _)) => {
            tracing::warn!(
                http.status = response.status().as_u16(),
                "the API server does not take the connector's credential, or answers out of order"
            );
            let sentence = "the API server does not accept the connector";
            let status = KubeStatus::new(Reason::TargetOffline, sentence);
            return refuse(&status, outcome, &ending);
        }
        Err(error) => return refuse(&failed(&error, &outcome), outcome, &ending),
    };
    let (mut parts, body) = response.into_parts();
    outcome.event.status = parts.status.as_u16().into();
    parts.headers = headers::downstream(&parts.headers);
    Response::from_parts(parts, Answer::upstream(body, ending, outcome, slot))
}

/// Who answers a request.
#[derive(Clone, Copy)]
enum Answers {
    ApiServer,
    /// An application that the API server passes the request on to.
    Application,
}

impl Answers {
    fn to(request: &KubeRequest) -> Self {
        match request {
            KubeRequest::Resource(_) | KubeRequest::NonResource(_) => Self::ApiServer,
            KubeRequest::Proxy(_) => Self::Application,
        }
    }

    /// The API server's 401 concerns the connector's credential, which the client cannot mend, and must not make it try
    /// others; an application's concerns its user. A 101 that was asked for comes another way.
    fn are_for_client(self, status: StatusCode) -> bool {
        let of_connector = matches!(self, Self::ApiServer) && status == StatusCode::UNAUTHORIZED;
        !of_connector && !status.is_informational()
    }
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
        UpstreamError::NoCredential | UpstreamError::NoAnswer(_) | UpstreamError::OutOfOrder => {
            Reason::TargetOffline
        }
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
