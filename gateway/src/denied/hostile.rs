//! Bodies that would exhaust a parser, and bytes that are no text, wherever they come in.

use adit_proto::Reason;
use adit_transport::frame::FrameWriter;
use adit_transport::tls::Alpn;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};

use super::scene::{Scene, on_stream};
use crate::testing::{FakeParty, closed};

/// Levels of what is nested.
const DEEP: usize = 10_000;

fn nested(open: &str, inner: &str, close: &str) -> String {
    [open.repeat(DEEP), inner.to_owned(), close.repeat(DEEP)].concat()
}

impl Scene {
    /// Sends bytes as the body of an admin's call.
    async fn posts(&self, path: &str, body: impl Into<Bytes>) -> String {
        let request = http::Request::post(path)
            .header("host", "adit")
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap();
        on_stream(&self.root.connection, request).await.outcome()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c4_nested_json_is_refused_or_passed_over_without_recursion() {
    let scene = Scene::new().await;
    scene.sign_in(&scene.root.person).await;
    for (open, close) in [("[", "]"), ("{\"text\":", "}")] {
        let deep = nested(open, "1", close);
        for path in ["/v1/admin/policies/check", "/v1/sessions", "/v1/touches"] {
            let code = scene.posts(path, deep.clone()).await;
            assert_eq!(code, "request_malformed", "{path}");
        }
        // A member of a later version, however deep, is ignored.
        let later =
            format!("{{\"later\":{deep},\"text\":\"permit(principal, action, resource);\"}}");
        let code = scene.posts("/v1/admin/policies/check", later).await;
        assert_eq!(code, "allowed");
    }
    scene.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c4_a_nested_policy_is_refused_and_the_gateway_goes_on() {
    let scene = Scene::new().await;
    scene.sign_in(&scene.root.person).await;
    let conditions = [
        nested("(", "true", ")"),
        nested("!", "true", ""),
        nested("[", "1", "]") + " == []",
        nested("{\"a\": ", "1", "}") + " == {}",
        nested("if true then ", "true", " else true"),
        nested("true && (", "true", ")"),
        "true && ".repeat(DEEP) + "true",
        "principal".to_owned() + &".a".repeat(DEEP) + " == 1",
    ];
    for condition in conditions {
        let start = condition.get(..24).unwrap_or_default().to_owned();
        let text = format!("permit(principal, action, resource) when {{ {condition} }};");
        let body = serde_json::json!({ "text": text }).to_string();
        let code = scene.posts("/v1/admin/policies/check", body).await;
        assert_eq!(code, "policy_error", "{start}");
    }
    let flat = serde_json::json!({"text": "permit(principal, action, resource);"});
    let code = scene
        .posts("/v1/admin/policies/check", flat.to_string())
        .await;
    assert_eq!(code, "allowed");
    scene.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c4_a_nested_answer_of_a_browser_is_refused() {
    use base64::Engine;
    use tower::ServiceExt;
    let scene = Scene::new().await;
    let mut cbor = vec![0x81; DEEP];
    cbor.push(0);
    let map = [
        &[0xa3, 0x63][..],
        b"fmt",
        &[0x64],
        b"none",
        &[0x67],
        b"attStmt",
        &cbor,
    ]
    .concat();
    let pages = || crate::web::router(crate::app::site(&scene.rig.services));
    let text = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let registration = |object: &[u8]| {
        let response =
            serde_json::json!({"attestationObject": text(object), "clientDataJSON": "e30"});
        serde_json::json!({"id": "AA", "rawId": "AA", "type": "public-key", "response": response})
    };
    let bodies = [
        nested("[", "1", "]"),
        registration(&cbor).to_string(),
        registration(&map).to_string(),
    ];
    for body in bodies {
        let id = scene.begin_registration(&scene.ada).await;
        let request = http::Request::post(format!("/ceremony/{id}/answer"))
            .header("host", "localhost:8443")
            .header("origin", crate::ceremony::tests::ORIGIN)
            .body(axum::body::Body::from(body))
            .unwrap();
        let answer = pages().oneshot(request).await.unwrap();
        assert!(answer.status().is_client_error(), "{}", answer.status());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let code = body["code"].as_str().unwrap();
        assert!(
            ["request_malformed", "evidence_invalid"].contains(&code),
            "{code}"
        );
    }
    scene.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_bytes_that_are_no_text_are_refused_before_they_are_a_text() {
    let scene = Scene::new().await;
    scene.sign_in(&scene.root.person).await;
    let bad = b"{\"text\":\"\xff\xfe\"}".to_vec();
    for path in ["/v1/admin/policies/check", "/v1/sessions", "/v1/touches"] {
        assert_eq!(
            scene.posts(path, bad.clone()).await,
            "request_malformed",
            "{path}"
        );
    }
    let named = "/v1/sign-ins/%ff%fe/finish";
    assert_eq!(scene.posts(named, "{}").await, "request_malformed");
    // `Register` with a version of two bytes that are no UTF-8: field 2 of the frame, field 2 of the message.
    let (_party, connection) =
        FakeParty::connect(&scene.rig, &scene.ada.person.device, Alpn::Control).await;
    let (send, _recv) = connection.open_bi().await.unwrap();
    let writer = FrameWriter::new(send, adit_proto::frame::Limit::PARTY);
    let mut stream = writer.into_inner();
    stream
        .write_all(&[0, 0, 0, 6, 0x12, 4, 0x12, 2, 0xff, 0xfe])
        .await
        .unwrap();
    assert_eq!(closed(&connection).await, Reason::RequestMalformed);
    scene.rig.stop().await;
}
