//! Requests that are explained: decided as they always are, and mostly not carried out.

use adit_proto::explained;
use adit_proto::wire::link::Explained;

use super::*;
use crate::testing::POLICY;

/// Beside [`POLICY`]: the API server's proxy needs a touch.
const PROXY: &str = r#"
@id("devs-proxy")
permit(principal in Group::"devs", action == Action::"proxy", resource);
@id("proxy-touch")
forbid(principal, action == Action::"proxy", resource) unless { context.touched };
"#;
const DELETE: &str = "DELETE /api/v1/namespaces/default/pods/web HTTP/1.1\r\nHost: adit\r\nContent-Length: 0\r\n\r\n";

/// What the answer tells of the decision.
fn told(got: &Got) -> Explained {
    let (head, _) = got.text.split_once("\r\n\r\n").unwrap();
    let value = head
        .lines()
        .find_map(|line| line.strip_prefix("adit-explained: "));
    let value = value.unwrap_or_else(|| panic!("{}", got.text));
    explained::from_header(value.as_bytes()).unwrap()
}

fn rules<'a>(told: &'a Explained, action: &str) -> &'a [String] {
    let mut grounds = told.grounds.iter();
    &grounds
        .find(|ground| ground.action == action)
        .unwrap()
        .rules
}

#[tokio::test]
async fn a_write_is_decided_and_recorded_and_does_not_reach_the_api_server() {
    let rig = Rig::new().await;
    let got = rig.send_for(Purpose::Explain, DELETE).await;
    assert!(got.text.starts_with("HTTP/1.1 403 "), "{}", got.text);
    assert!(
        got.whole && got.text.contains("\"reason\":\"explained\""),
        "{}",
        got.text
    );
    let told = told(&got);
    let request = told.request.clone().unwrap();
    assert_eq!(
        (request.verb.as_str(), request.resource.as_str()),
        ("delete", "pods")
    );
    assert_eq!(
        (request.name.as_str(), request.reason.as_str()),
        ("web", "")
    );
    assert_eq!(request.kube_groups, ["view"]);
    assert_eq!((told.policy_number, told.carried_out), (1, false));
    assert_eq!(rules(&told, "connect"), ["devs-prod"]);
    assert_eq!(rules(&told, "assume"), ["devs-view"]);
    assert_eq!(rig.upstream(), "");
    let recorded = rig.audited();
    assert!(
        recorded
            .iter()
            .any(|event| matches!(event, Event::RequestExplained(it) if it.request == Some(request.clone()))),
        "{recorded:?}"
    );
    let is_request =
        |event: &Event| matches!(event, Event::RequestIntent(_) | Event::RequestOutcome(_));
    assert!(!recorded.iter().any(is_request), "{recorded:?}");
}

#[tokio::test]
async fn a_read_that_a_client_needs_is_carried_out_and_recorded_as_always() {
    let rig = Rig::new().await;
    let got = rig.send_for(Purpose::Explain, get("")).await;
    assert!(got.text.starts_with("HTTP/1.1 200 OK\r\n"), "{}", got.text);
    assert!(
        got.whole && got.text.ends_with("\r\n\r\n{}"),
        "{}",
        got.text
    );
    assert!(told(&got).carried_out);
    let upstream = rig.upstream();
    assert!(upstream.contains("impersonate-user: anna@example.com"));
    let (intent, outcome) = rig.joined();
    assert_eq!((intent.verb.as_str(), outcome.status), ("list", 200));
    // The API server does not tell what was decided, and who did not ask is told nothing.
    let liar =
        Rig::answering("HTTP/1.1 200 OK\r\nAdit-Explained: AAAA\r\nContent-Length: 2\r\n\r\n{}")
            .await;
    assert_eq!(
        self::told(&liar.send_for(Purpose::Explain, get("")).await).policy_number,
        1
    );
    assert!(!liar.send(get("")).await.text.contains("adit-explained"));
}

#[tokio::test]
async fn a_denial_names_its_rule_the_missing_factor_and_the_repair() {
    let world = World::with_policy(&[POLICY, PROXY].concat());
    let rig = Rig::of(world, OK, "token").await;
    let proxied =
        "GET /api/v1/namespaces/default/services/web/proxy/ HTTP/1.1\r\nHost: adit\r\n\r\n";
    let got = rig.send_for(Purpose::Explain, proxied).await;
    assert!(got.text.starts_with("HTTP/1.1 403 "), "{}", got.text);
    let told = told(&got);
    assert_eq!(told.denied_by, ["proxy-touch"]);
    assert_eq!(told.missing, ["a touch"]);
    assert_eq!(told.request.unwrap().reason, "touch_required");
    assert!(told.message.ends_with("touch your key"), "{}", told.message);
    assert!(!told.carried_out && rig.upstream().is_empty());
    // It is decided in the same way when it is not explained.
    let refused = rig.send(proxied).await;
    assert!(refused.text.contains(&told.message), "{}", refused.text);
}

#[tokio::test]
async fn k1_impersonation_is_refused_in_an_explanation_too() {
    let rig = Rig::new().await;
    let asking = get("Impersonate-User: root\r\n");
    let told = told(&rig.send_for(Purpose::Explain, asking).await);
    assert_eq!(told.request.unwrap().reason, "impersonation_refused");
    assert_eq!((told.policy_number, rig.upstream().as_str()), (0, ""));
}

#[tokio::test]
async fn an_exec_that_is_explained_opens_nothing() {
    let rig = Rig::new().await;
    for upgrade in [
        "GET /api/v1/namespaces/default/pods/web/exec?command=ls HTTP/1.1\r\nHost: adit\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "POST /api/v1/namespaces/default/pods/web/exec?command=ls HTTP/1.1\r\nHost: adit\r\nConnection: Upgrade\r\n\
         Upgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\n",
    ] {
        let got = rig.send_for(Purpose::Explain, upgrade).await;
        assert!(got.text.starts_with("HTTP/1.1 403 "), "{}", got.text);
        let request = told(&got).request.unwrap();
        assert_eq!(
            (request.subresource.as_str(), request.reason.as_str()),
            ("exec", "")
        );
    }
    assert_eq!(rig.upstream(), "");
}
