//! Whether a request may go upstream, and what of it does. The same for one that is only explained.

use std::sync::Arc;

use adit_policy::{Denial, Impersonation, KubeRequest, KubeStatus, MayProxy, headers};
use adit_proto::Reason;
use adit_proto::id::RequestId;
use adit_proto::wire::audit::RequestIntent;
use http::HeaderMap;
use http::request::Parts;

use super::serve::Kube;
use crate::audit::event::bounded;
use crate::session::{Refusal, Session, Standing};

/// A request as it came.
pub(super) struct Arrived<'a> {
    /// Path and query as they were sent.
    pub(super) target: &'a str,
    pub(super) parts: Parts,
    pub(super) has_body: bool,
    pub(super) id: RequestId,
}

/// A request that may go upstream: nothing in it is the client's text.
pub(super) struct Prepared {
    pub(super) request: KubeRequest,
    pub(super) headers: HeaderMap,
}

/// What is known of a request, filled in on the way to its decision.
pub(super) struct Account {
    pub(super) intent: RequestIntent,
    /// The decision about its session.
    pub(super) standing: Option<Arc<Standing>>,
}

impl Account {
    pub(super) fn new(session: &Session, id: RequestId) -> Self {
        let intent = RequestIntent {
            actor: Some(session.actor()),
            request_id: id.to_string(),
            ..RequestIntent::default()
        };
        Self {
            intent,
            standing: None,
        }
    }
}

/// Why a request is not carried out.
pub(super) struct Refused {
    /// What kubectl prints.
    pub(super) status: KubeStatus,
    /// The policy's denial, if it is one.
    pub(super) denial: Option<Denial>,
}

impl From<KubeStatus> for Refused {
    fn from(status: KubeStatus) -> Self {
        Self {
            status,
            denial: None,
        }
    }
}

impl From<&Refusal> for Refused {
    fn from(refusal: &Refusal) -> Self {
        Self {
            status: refusal.status(),
            denial: refusal.denial().cloned(),
        }
    }
}

/// Parses, decides, and builds the headers. Fills in what the request is as soon as that is known.
pub(super) async fn prepare(
    kube: &Kube,
    session: &Arc<Session>,
    arrived: &Arrived<'_>,
    account: &mut Account,
) -> Result<Prepared, Refused> {
    let Parts {
        method, headers, ..
    } = &arrived.parts;
    let intent = &mut account.intent;
    let parsed = KubeRequest::parse(method, arrived.target, headers);
    let request = parsed.map_err(|error| {
        method.as_str().clone_into(&mut intent.verb);
        intent.path = bounded(arrived.target.split('?').next().unwrap_or_default());
        Refused::from(KubeStatus::from(&error))
    })?;
    describe(&request, intent);
    // Asking for an identity is refused whatever else is wrong with a request.
    headers::refuse_impersonation(headers).map_err(|error| KubeStatus::from(&error))?;
    if request.upgrade().is_some() && arrived.has_body {
        let sentence = "a request that asks for an upgrade has no body";
        return Err(KubeStatus::new(Reason::RequestMalformed, sentence).into());
    }
    let standing = kube.sessions.standing(session).await;
    let standing = &**account
        .standing
        .insert(standing.map_err(|refusal| Refused::from(&refusal))?);
    let identity: &Impersonation = standing.impersonation().ok_or_else(|| {
        KubeStatus::new(
            Reason::UnknownOrForbidden,
            "this session is not one for an API server",
        )
    })?;
    if let KubeRequest::Proxy(_) = request {
        let _: &MayProxy = standing.proxy()?;
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
