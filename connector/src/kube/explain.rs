//! `adit explain`: what was decided about a request, told in a header of its answer.
//!
//! A client stops at the first answer that it does not get, so what it only reads to go on is carried out as it always
//! is. Everything else stays here.

use adit_policy::engine::Rule;
use adit_policy::request::Verb;
use adit_policy::{KubeRequest, RequestClass};
use adit_proto::explained;
use adit_proto::wire::link::{Explained, Ground};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;

use super::answer::{self, Answer};
use super::decide::{Account, Refused};
use crate::h1::Ending;

const HEADER: HeaderName = HeaderName::from_static(explained::HEADER);

/// What is told of a request that is allowed.
pub(super) fn allowed(account: &Account, request: &KubeRequest) -> Explained {
    let mut told = about(account);
    if let (Some(standing), KubeRequest::Proxy(_)) = (&account.standing, request)
        && let Ok(proxy) = standing.proxy()
    {
        told.grounds.push(ground("proxy", proxy.rules()));
    }
    told.carried_out = is_carried_out(request);
    told
}

/// What is told of a request that is refused.
pub(super) fn denied(account: &Account, refused: &Refused) -> Explained {
    let told = about(account);
    let denial = refused.denial.as_ref();
    let factors = denial.iter().flat_map(|denial| denial.missing_factors());
    Explained {
        denied_by: denial.map_or_else(Vec::new, |denial| named(denial.shown_rules())),
        missing: factors.map(ToString::to_string).collect(),
        ..not_done(told, refused)
    }
}

/// The same, of one that was allowed and is refused since.
pub(super) fn not_done(mut told: Explained, refused: &Refused) -> Explained {
    if let Some(request) = &mut told.request {
        refused
            .status
            .reason()
            .as_str()
            .clone_into(&mut request.reason);
    }
    refused.status.message().clone_into(&mut told.message);
    told.carried_out = false;
    told
}

fn about(account: &Account) -> Explained {
    let mut told = Explained {
        request: Some(account.intent.clone()),
        ..Explained::default()
    };
    if let Some(standing) = &account.standing {
        told.policy_number = standing.policy_number();
        told.grounds
            .push(ground("connect", standing.permit().rules()));
        let identity = standing.impersonation();
        let assumed = identity.map(|identity| ground("assume", identity.assumed().rules()));
        told.grounds.extend(assumed);
    }
    told
}

fn ground(action: &str, rules: &[Rule]) -> Ground {
    Ground {
        action: action.to_owned(),
        rules: named(rules),
    }
}

fn named(rules: &[Rule]) -> Vec<String> {
    rules.iter().map(ToString::to_string).collect()
}

/// Whether it is a read whose answer a client may need to go on: of no secret, of nothing that a process says, and one
/// that ends by itself.
fn is_carried_out(request: &KubeRequest) -> bool {
    if request.class() != RequestClass::Read {
        return false;
    }
    match request {
        KubeRequest::NonResource(_) => true,
        KubeRequest::Resource(resource) => {
            resource.verb() != Verb::Watch && resource.subresource() != Some("log")
        }
        KubeRequest::Proxy(_) => false,
    }
}

/// Tells it in `response`.
pub(super) fn tell<B>(told: &Explained, response: &mut Response<B>) {
    // Base64 is a header's value, whatever is in it.
    if let Ok(value) = HeaderValue::try_from(explained::to_header(told)) {
        response.headers_mut().insert(HEADER, value);
    }
}

/// The answer to a request that is allowed and not carried out.
pub(super) fn withheld<E: Ending>(told: &Explained, ending: &E) -> Response<Answer<E>> {
    let message = "Adit explains this request and does not carry it out";
    let document = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "Forbidden",
        "details": {"causes": [{"reason": "explained", "message": message}]},
        "code": StatusCode::FORBIDDEN.as_u16(),
    });
    let mut response = answer::own(StatusCode::FORBIDDEN, document.to_string(), ending);
    tell(told, &mut response);
    response
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;

    #[test]
    fn only_reads_that_a_client_needs_to_go_on_are_carried_out() {
        let carried_out = |line: &str| {
            let (method, target) = line.split_once(' ').unwrap();
            let method: Method = method.parse().unwrap();
            is_carried_out(&KubeRequest::parse(&method, target, &HeaderMap::new()).unwrap())
        };
        for line in [
            "GET /apis",
            "GET /openapi/v3",
            "GET /version",
            "GET /api/v1/namespaces/default/pods",
            "GET /api/v1/namespaces/default/pods/web",
            "GET /apis/apps/v1/namespaces/default/deployments/web/scale",
        ] {
            assert!(carried_out(line), "{line}");
        }
        for line in [
            "GET /api/v1/namespaces/default/pods?watch=1",
            "GET /api/v1/watch/namespaces/default/pods",
            "GET /api/v1/namespaces/default/secrets",
            "GET /api/v1/namespaces/default/secrets/key",
            "GET /api/v1/namespaces/default/pods/web/log?follow=true",
            "GET /api/v1/namespaces/default/pods/web/exec?command=ls",
            "GET /api/v1/namespaces/default/pods/web/proxy/",
            "POST /api/v1/namespaces/default/pods",
            "POST /api/v1/namespaces/default/pods?dryRun=All",
            "PUT /api/v1/namespaces/default/pods/web",
            "PATCH /api/v1/namespaces/default/pods/web",
            "DELETE /api/v1/namespaces/default/pods/web",
            "DELETE /api/v1/namespaces/default/pods",
            "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        ] {
            assert!(!carried_out(line), "{line}");
        }
    }
}
