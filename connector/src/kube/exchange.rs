//! One request and its answer: parsed, decided, recorded, rebuilt, forwarded.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use adit_policy::request::Upgrade;
use adit_policy::{KubeRequest, KubeStatus, RequestClass, headers};
use adit_proto::Reason;
use adit_proto::id::RequestId;
use adit_proto::wire::audit::{RequestIntent, RequestOutcome};
use adit_proto::wire::link::Explained;
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::answer::{self, Answer, Outcome};
use super::decide::{Account, Arrived, Prepared, Refused, prepare};
use super::explain;
use super::request_body::RequestBody;
use super::serve::{Errand, Kube, Purpose};
use super::splice::Splice;
use super::upstream::{Answered, UpstreamBody, UpstreamError};
use crate::audit::{AuditError, event};
use crate::h1::Ending;
use crate::random;

/// What a request is served with.
pub(super) struct Call<E> {
    pub(super) kube: Arc<Kube>,
    pub(super) errand: Errand,
    pub(super) ending: E,
    /// Where the bytes go that follow a 101.
    pub(super) spliced: Arc<Mutex<Option<Splice>>>,
}

/// Serves one request. Every way out has an intent in the audit log, and an outcome if it was forwarded.
pub(super) async fn exchange<E: Ending>(
    call: Call<E>,
    target: &str,
    mut request: Request<Incoming>,
) -> Response<Answer<E>> {
    let begun = Instant::now();
    let Ok(random) = random::bytes() else {
        let refused = unavailable(&AuditError::Record);
        return answer::status(&refused.status, &call.ending);
    };
    let id = RequestId::from_parts(call.kube.clock.wall(), random);
    let client = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let arrived = Arrived {
        target,
        parts,
        has_body: !body.is_end_stream(),
        id,
    };
    let (kube, session) = (&call.kube, &call.errand.session);
    let mut account = Account::new(session, id);
    let prepared = match prepare(kube, session, &arrived, &mut account).await {
        Ok(prepared) => prepared,
        Err(refused) => return turn_away(&call, account, &refused),
    };
    let (purpose, asked) = (call.errand.purpose, &prepared.request);
    let told = (purpose == Purpose::Explain).then(|| explain::allowed(&account, asked));
    let carried_out = told.as_ref().is_none_or(|told| told.carried_out);
    let request_id = account.intent.request_id.clone();
    if let Err(error) = record(kube, asked.class(), account.intent, carried_out).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a request was refused without an audit log"
        );
        return refuse_unrecorded(&call, told, &unavailable(&error));
    }
    if let Some(told) = told.as_ref().filter(|told| !told.carried_out) {
        return explain::withheld(told, &call.ending);
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
    let mut response = match prepared.request.upgrade() {
        None => forward(call, prepared, body, outcome).await,
        Some(asked) => upgrade(call, prepared, (asked, client), outcome).await,
    };
    if let Some(told) = &told {
        explain::tell(told, &mut response);
    }
    response
}

/// Refuses what was not allowed, and records that.
fn turn_away<E: Ending>(
    call: &Call<E>,
    mut account: Account,
    refused: &Refused,
) -> Response<Answer<E>> {
    let session = &call.errand.session;
    refused
        .status
        .reason()
        .as_str()
        .clone_into(&mut account.intent.reason);
    let told =
        (call.errand.purpose == Purpose::Explain).then(|| explain::denied(&account, refused));
    let event = event::request(account.intent, told.is_none());
    call.kube
        .audit
        .note_refusal(session.device(), &session.actor(), event);
    let mut response = answer::status(&refused.status, &call.ending);
    if let Some(told) = &told {
        explain::tell(told, &mut response);
    }
    response
}

/// Refuses what cannot be recorded.
fn refuse_unrecorded<E: Ending>(
    call: &Call<E>,
    told: Option<Explained>,
    refused: &Refused,
) -> Response<Answer<E>> {
    let mut response = answer::status(&refused.status, &call.ending);
    if let Some(told) = told {
        explain::tell(&explain::not_done(told, refused), &mut response);
    }
    response
}

async fn record(
    kube: &Kube,
    class: RequestClass,
    intent: RequestIntent,
    carried_out: bool,
) -> Result<(), AuditError> {
    let event = event::request(intent, carried_out);
    if carried_out && class.is_synced_first() {
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
    let received = &outcome.received;
    if received.impersonates.load(Ordering::Acquire) {
        let sentence = "the request's trailers ask for another identity";
        return KubeStatus::new(Reason::ImpersonationRefused, sentence);
    }
    // It says nothing of the API server.
    if received.cut_off.load(Ordering::Acquire) {
        let sentence = "the request's body was cut off, or is not as long as it says";
        return KubeStatus::new(Reason::RequestMalformed, sentence);
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

fn unavailable(error: &AuditError) -> Refused {
    KubeStatus::new(Reason::AuditUnavailable, &error.to_string()).into()
}
