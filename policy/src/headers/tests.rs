use adit_proto::Reason;
use adit_proto::id::{DeviceId, RequestId, SessionId};
use adit_proto::time::UnixMillis;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{HeaderError, Impersonation, downstream, refuse_impersonation, upstream};
use crate::engine::{Assumed, Facts};
use crate::kube_name::KubeGroupName;
use crate::request::KubeRequest;

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        )
    };
    headers.iter().map(pair).collect()
}

fn assumed() -> Assumed {
    let facts: Facts = crate::engine::tests::anna();
    let policy =
        crate::CheckedPolicy::parse(r#"permit(principal, action == Action::"assume", resource);"#)
            .unwrap();
    let groups: Vec<KubeGroupName> = ["devs", "view"].map(|group| group.parse().unwrap()).into();
    policy
        .asking(&facts)
        .assume(&"prod".parse().unwrap(), &groups)
        .unwrap()
}

fn pods() -> KubeRequest {
    KubeRequest::parse(&Method::GET, "/api/v1/pods", &HeaderMap::new()).unwrap()
}

fn build(headers: &[(&str, &str)]) -> Result<HeaderMap, HeaderError> {
    let session = SessionId::from_parts(UnixMillis(1), [3; 10]);
    let device = DeviceId::from_parts(UnixMillis(1), [2; 10]);
    let identity = Impersonation::new(assumed(), session, device);
    upstream(
        &map(headers),
        &pods(),
        &identity,
        RequestId::from_parts(UnixMillis(1), [4; 10]),
    )
}

/// All headers as text, sorted.
fn shown(headers: &HeaderMap) -> Vec<String> {
    let mut shown: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    shown.sort();
    shown
}

const OURS: [&str; 6] = [
    "audit-id: 00000000010g2081040g208104",
    "impersonate-extra-adit.internal%2fdevice: dev_0000000001081040g2081040g2",
    "impersonate-extra-adit.internal%2fsession: ses_00000000010c1g60r30c1g60r3",
    "impersonate-group: devs",
    "impersonate-group: view",
    "impersonate-user: anna@example.com",
];

#[test]
fn the_identity_is_written_and_nothing_else() {
    let headers = build(&[]).unwrap();
    assert_eq!(shown(&headers), OURS);
    assert_eq!(headers["audit-id"].len(), 26);
}

#[test]
fn a_name_outside_ascii_is_written_as_utf8() {
    let mut facts: Facts = crate::engine::tests::anna();
    facts.user = "Jürgen".parse().unwrap();
    let policy =
        crate::CheckedPolicy::parse(r#"permit(principal, action == Action::"assume", resource);"#)
            .unwrap();
    let assumed = policy
        .asking(&facts)
        .assume(&"prod".parse().unwrap(), &["devs".parse().unwrap()])
        .unwrap();
    let identity = Impersonation::new(
        assumed,
        SessionId::from_parts(UnixMillis(1), [3; 10]),
        facts.device,
    );
    let headers = upstream(
        &HeaderMap::new(),
        &pods(),
        &identity,
        RequestId::from_parts(UnixMillis(1), [4; 10]),
    )
    .unwrap();
    assert_eq!(headers["impersonate-user"].as_bytes(), "Jürgen".as_bytes());
}

#[test]
fn what_kubectl_sends_passes() {
    let sent = [
        (
            "accept",
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        ),
        ("accept", "application/json"),
        ("accept-encoding", "gzip"),
        ("content-type", "application/apply-patch+yaml"),
        ("if-none-match", "\"a\""),
        ("kubectl-command", "kubectl get"),
        ("kubectl-session", "1a2b"),
        ("user-agent", "kubectl/v1.36.2 (linux/amd64) kubernetes/abc"),
    ];
    let shown = shown(&build(&sent).unwrap());
    for (name, value) in sent {
        assert!(shown.contains(&format!("{name}: {value}")), "{name}");
    }
    assert_eq!(shown.len(), sent.len() + OURS.len());
}

#[test]
fn k1_impersonation_in_any_spelling_is_refused() {
    for name in [
        "Impersonate-User",
        "IMPERSONATE-GROUP",
        "impersonate-uid",
        "Impersonate-Extra-Scopes",
        "Impersonate_User",
        "impersonate",
        "ImpersonateUser",
        "Impersonate-",
        "_Impersonate-User",
        "Imperson-ate-User",
    ] {
        for value in ["admin", ""] {
            let error = build(&[("accept", "*/*"), (name, value)]).unwrap_err();
            assert_eq!(
                error,
                HeaderError::Impersonation {
                    name: name.to_ascii_lowercase()
                }
            );
            assert_eq!(error.reason(), Reason::ImpersonationRefused);
        }
        // Trailers are a header map of their own.
        assert!(
            refuse_impersonation(&map(&[(name, "admin")])).is_err(),
            "{name}"
        );
    }
    assert_eq!(
        refuse_impersonation(&map(&[("x-imp", "a"), ("accept", "impersonate-user")])),
        Ok(())
    );
}

#[test]
fn k3_values_outside_printable_ascii_are_refused() {
    for value in ["a\tb", "\u{e4}", "a\u{2028}b"] {
        let name = http::header::USER_AGENT;
        assert_eq!(
            build(&[("user-agent", value)]),
            Err(HeaderError::Value { name }),
            "{value:?}"
        );
    }
    for value in ["a\nImpersonate-Group: b", "a\r\n b", "a\0"] {
        assert!(
            HeaderValue::from_bytes(value.as_bytes()).is_err(),
            "the type lets no line break through: {value:?}"
        );
    }
}

#[test]
fn k4_hop_by_hop_and_nominated_headers_are_removed_and_ours_stay() {
    let headers = build(&[
        ("connection", "Authorization, X-Anything, Accept"),
        ("connection", " impersonate-user ,audit-id, close"),
        ("accept", "application/json"),
        ("x-anything", "1"),
        ("te", "trailers"),
        ("trailer", "impersonate-user"),
        ("keep-alive", "timeout=5"),
        ("proxy-authorization", "Basic x"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("expect", "100-continue"),
        ("content-length", "5"),
    ]);
    assert_eq!(shown(&headers.unwrap()), OURS);
}

#[test]
fn k5_credentials_of_the_client_are_removed() {
    let headers = build(&[
        ("authorization", "Bearer secret"),
        ("cookie", "a=b"),
        ("x-remote-user", "admin"),
        ("x-remote-group", "system:masters"),
        ("x-remote-extra-scopes", "x"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-client-cert", "x"),
        ("forwarded", "for=10.0.0.1"),
        ("origin", "https://evil.example"),
        ("host", "evil.example"),
    ]);
    assert_eq!(shown(&headers.unwrap()), OURS);
}

#[test]
fn k6_credentials_in_websocket_protocols_are_removed() {
    let bearer = "base64url.bearer.authorization.k8s.io.c2VjcmV0, v5.channel.k8s.io";
    let headers = build(&[
        ("sec-websocket-protocol", bearer),
        ("sec-websocket-key", "x"),
        ("sec-websocket-version", "13"),
        ("x-stream-protocol-version", "v4.channel.k8s.io"),
    ]);
    assert_eq!(shown(&headers.unwrap()), OURS);
}

#[test]
fn k11_an_overriding_method_is_removed() {
    let headers = build(&[
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "PUT"),
    ]);
    assert_eq!(shown(&headers.unwrap()), OURS);
}

#[test]
fn the_audit_id_of_the_client_is_dropped() {
    assert_eq!(shown(&build(&[("audit-id", "mine")]).unwrap()), OURS);
}

#[test]
fn a_second_content_type_is_refused() {
    let error = build(&[
        ("content-type", "application/json"),
        ("content-type", "application/yaml"),
    ])
    .unwrap_err();
    assert_eq!(
        error,
        HeaderError::Duplicate {
            name: http::header::CONTENT_TYPE
        }
    );
    assert_eq!(error.reason(), Reason::RequestMalformed);
}

#[test]
fn k19_a_location_off_the_origin_is_removed() {
    let location = |value| {
        downstream(&map(&[("location", value)]))
            .get("location")
            .cloned()
    };
    assert_eq!(location("/api/v1/pods?x=1").unwrap(), "/api/v1/pods?x=1");
    for value in [
        "http://169.254.169.254/latest",
        "//169.254.169.254/",
        "/\\169.254.169.254/",
        "https:evil",
        "evil",
        "",
        "\\\\evil",
        " /x",
        "/a\tb",
    ] {
        assert_eq!(location(value), None, "{value}");
    }
}

#[test]
fn of_an_answer_only_known_headers_come_back() {
    let answer = map(&[
        ("content-type", "application/json"),
        ("audit-id", "a"),
        ("warning", "299 - \"a\""),
        ("warning", "299 - \"b\""),
        ("retry-after", "1"),
        ("x-kubernetes-pf-flowschema-uid", "u"),
        ("set-cookie", "a=b"),
        ("www-authenticate", "Basic"),
        ("access-control-allow-origin", "*"),
        ("connection", "close, etag"),
        ("etag", "\"x\""),
        ("transfer-encoding", "chunked"),
        ("trailer", "x"),
        ("server", "x"),
        ("alt-svc", "h3=\":443\""),
    ]);
    assert_eq!(
        shown(&downstream(&answer)),
        [
            "audit-id: a",
            "content-type: application/json",
            "retry-after: 1",
            "warning: 299 - \"a\"",
            "warning: 299 - \"b\"",
            "x-kubernetes-pf-flowschema-uid: u",
        ]
    );
}
