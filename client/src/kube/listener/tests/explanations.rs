//! Requests with the token of an explanation.

use adit_proto::explained;
use adit_proto::wire::link::stream_header::Kind;
use http::Method;

use super::*;
use crate::exit::Exit;
use crate::explain::Decided;

const ID: [u8; 16] = [7; 16];

impl Local {
    async fn send(&self, method: Method, path: &str, token: &str) -> Response<Incoming> {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://127.0.0.1:{}{path}", self.port))
            .header("authorization", format!("Bearer {token}"));
        self.h2(request.body(Full::default()).unwrap()).await
    }
}

#[tokio::test]
async fn a_request_of_an_explanation_goes_to_be_explained_and_what_is_decided_is_kept() {
    let local = local().await;
    local.explanations.begin(ID);
    for method in [Method::GET, Method::DELETE] {
        let response = local.send(method, "/k/prod/told", &local.explains).await;
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key(explained::HEADER));
    }
    let kinds = std::mem::take(&mut *local.cluster.kinds.lock());
    assert!(
        kinds.iter().all(|kind| matches!(kind, Kind::Explain(_))),
        "{kinds:?}"
    );
    let told = local.explanations.end(&ID).unwrap();
    let carried_out = |decided: &Decided| (decided.carried_out, decided.status);
    let got: Vec<_> = told.decided.iter().map(carried_out).collect();
    assert_eq!(got, [(true, Some(200)), (false, None)]);
    assert_eq!(told.decided[0].policy_number, Some(3));
    assert_eq!(told.failed, None);
}

#[tokio::test]
async fn a_request_with_an_ordinary_token_is_not_explained() {
    let local = local().await;
    local.explanations.begin(ID);
    let path = "/k/prod/told";
    local.send(Method::DELETE, path, &local.token).await;
    assert!(matches!(local.cluster.kinds.lock()[..], [Kind::Kube(_)]));
    assert_eq!(local.explanations.end(&ID).unwrap().decided, []);
}

#[tokio::test]
async fn the_token_of_an_explanation_that_is_over_carries_nothing_out() {
    let local = local().await;
    let path = "/k/prod/told";
    for _ in 0..2 {
        let refused = local.send(Method::DELETE, path, &local.explains).await;
        assert_eq!(refused.status(), 401);
        local.explanations.begin(ID);
        local.explanations.end(&ID);
    }
    assert_eq!(local.cluster.opened.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_connector_that_cannot_explain_is_named_with_the_version_that_can() {
    let local = local().await;
    local.explanations.begin(ID);
    *local.cluster.refusal.lock() = Some(Failure::of(Reason::VersionUnsupported, "refused"));
    let response = local
        .send(Method::DELETE, "/k/prod/x", &local.explains)
        .await;
    assert_eq!(response.status(), 403);
    let failed = local.explanations.end(&ID).unwrap().failed.unwrap();
    assert_eq!(failed.exit, Exit::Failed);
    let said = failed.to_string();
    assert!(
        said.contains("connector of prod") && said.contains(env!("CARGO_PKG_VERSION")),
        "{said}"
    );
}

#[tokio::test]
async fn an_answer_that_does_not_say_what_was_decided_is_no_explanation() {
    let local = local().await;
    local.explanations.begin(ID);
    let answered = local
        .send(Method::GET, "/k/prod/api", &local.explains)
        .await;
    assert_eq!(answered.status(), 400);
    let told = local.explanations.end(&ID).unwrap();
    assert_eq!(told.decided, []);
    assert!(told.failed.is_some());
}
