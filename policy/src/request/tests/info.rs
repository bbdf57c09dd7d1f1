//! Requests as clients send them.

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, Method};

use super::super::{KubeRequest, RequestClass, RequestError, Upgrade, Verb};
use super::{non_resource, parse, proxy, resource};

#[test]
fn every_part_of_a_path_is_found() {
    let request = resource(
        "PATCH",
        "/apis/apps/v1/namespaces/shop/deployments/web/scale?fieldManager=kubectl",
    );
    assert_eq!(request.verb(), Verb::Patch);
    assert_eq!((request.group(), request.version()), ("apps", "v1"));
    assert_eq!(request.namespace(), Some("shop"));
    assert_eq!(
        (request.resource(), request.name()),
        ("deployments", Some("web"))
    );
    assert_eq!(request.subresource(), Some("scale"));
}

#[test]
fn methods_become_verbs() {
    for (method, target, verb) in [
        ("GET", "/api/v1/pods", Verb::List),
        ("HEAD", "/api/v1/pods", Verb::List),
        ("GET", "/api/v1/namespaces/a/pods/b", Verb::Get),
        ("HEAD", "/api/v1/namespaces/a/pods/b", Verb::Get),
        ("POST", "/api/v1/namespaces/a/pods", Verb::Create),
        ("PUT", "/api/v1/namespaces/a/pods/b", Verb::Update),
        ("PATCH", "/api/v1/namespaces/a/pods/b", Verb::Patch),
        ("DELETE", "/api/v1/namespaces/a/pods/b", Verb::Delete),
        (
            "DELETE",
            "/api/v1/namespaces/a/pods",
            Verb::DeleteCollection,
        ),
        (
            "POST",
            "/api/v1/namespaces/a/pods/b/exec?command=ls&command=-l",
            Verb::Create,
        ),
        (
            "GET",
            "/api/v1/namespaces/a/pods/b/exec?command=ls",
            Verb::Get,
        ),
    ] {
        assert_eq!(resource(method, target).verb(), verb, "{method} {target}");
        assert_eq!(parse(method, target).unwrap().method(), method);
    }
    for (method, verb) in [("GET", "get"), ("HEAD", "head")] {
        let request = parse(method, "/version").unwrap();
        assert!(
            matches!(&request, KubeRequest::NonResource(request) if request.verb() == verb),
            "{request:?}"
        );
    }
}

#[test]
fn a_resource_has_digits_dots_and_underscores_too() {
    for name in ["http2routes", "widgets.v1", "queue_depth"] {
        let target = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/a/{name}");
        assert_eq!(resource("GET", &target).resource(), name);
    }
}

#[test]
fn a_namespace_is_a_resource_in_itself() {
    for (target, name, subresource) in [
        ("/api/v1/namespaces/a", Some("a"), None),
        ("/api/v1/namespaces/a/status", Some("a"), Some("status")),
        ("/api/v1/namespaces/a/finalize", Some("a"), Some("finalize")),
        ("/api/v1/namespaces", None, None),
    ] {
        let request = resource("GET", target);
        assert_eq!(request.resource(), "namespaces", "{target}");
        assert_eq!(
            (request.namespace(), request.name()),
            (name, name),
            "{target}"
        );
        assert_eq!(request.subresource(), subresource, "{target}");
    }
    assert_eq!(
        parse("GET", "/api/v1/namespaces/a/namespaces/b"),
        Err(RequestError::UnknownPath)
    );
}

#[test]
fn a_field_selector_names_the_object_of_a_list_and_a_watch_only() {
    let name = |method: &str, target: &str| resource(method, target).name().map(str::to_owned);
    let list = "/api/v1/namespaces/a/secrets?fieldSelector=metadata.name%3Db";
    assert_eq!(name("GET", list).as_deref(), Some("b"));
    assert_eq!(
        name("GET", &format!("{list}&watch=1")).as_deref(),
        Some("b")
    );
    assert_eq!(name("DELETE", list), None);
    assert_eq!(resource("GET", list).verb(), Verb::List);
}

#[test]
fn the_watch_prefix_is_a_watch_and_stays_one() {
    let target = "/api/v1/watch/namespaces/a/pods/b";
    let request = resource("GET", target);
    assert_eq!((request.verb(), request.name()), (Verb::Watch, Some("b")));
    assert_eq!(KubeRequest::Resource(request).encode(), target);
    assert_eq!(parse("DELETE", target), Err(RequestError::MethodOfPath));
    assert_eq!(
        parse("GET", "/api/v1/watch"),
        Err(RequestError::UnknownPath)
    );
    assert_eq!(
        parse("GET", "/api/v1/watch/namespaces/a/pods/b/log"),
        Err(RequestError::UnknownPath)
    );
}

#[test]
fn discovery_health_and_version_are_carried_for_reading_only() {
    for target in [
        "/version",
        "/api",
        "/apis",
        "/api/v1",
        "/apis/apps",
        "/apis/apps/v1",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/apis/apps/v1?hash=A1",
        "/healthz",
        "/livez/ping?verbose",
        "/readyz/etcd",
        "/.well-known/openid-configuration",
        "/openid/v1/jwks",
    ] {
        assert_eq!(
            target.split('?').next(),
            Some(non_resource(target).path()),
            "{target}"
        );
        assert_eq!(
            parse("POST", target),
            Err(RequestError::MethodOfPath),
            "{target}"
        );
    }
}

#[test]
fn the_lists_of_versions_and_groups_may_end_in_a_slash() {
    for (target, path) in [("/api/", "/api"), ("/apis/", "/apis")] {
        assert_eq!(non_resource(target).path(), path);
        assert_eq!(parse("POST", target), Err(RequestError::MethodOfPath));
    }
}

#[test]
fn other_paths_are_not_carried() {
    for target in [
        "/",
        "/metrics",
        "/debug/pprof/profile",
        "/logs/kube.log",
        "/ui",
        "/apiv1/pods",
        "/version/x",
        "/openapi",
        "/api/v1/namespaces/a/pods/b/log/x",
        "/api/v1/proxy/namespaces/a/pods/b",
        "/k/prod/api/v1/pods",
    ] {
        assert_eq!(
            parse("GET", target),
            Err(RequestError::UnknownPath),
            "{target}"
        );
    }
}

#[test]
fn k13_a_proxy_request_is_its_own_kind_in_every_form_of_the_name() {
    let request = proxy("/api/v1/namespaces/a/services/https:web:443/proxy/x/?q=1");
    let target = request.target();
    assert_eq!(
        (target.scheme(), target.name(), target.port()),
        (Some("https"), "web", Some("443"))
    );
    assert_eq!(request.rest(), "/x/");
    let request = proxy("/api/v1/namespaces/a/pods/web:8080/proxy");
    let target = request.target();
    assert_eq!(
        (target.scheme(), target.name(), target.port()),
        (None, "web", Some("8080"))
    );
    let request = proxy("/api/v1/namespaces/a/pods/web-0.v2:a.b-c/proxy");
    assert_eq!(request.target().port(), Some("a.b-c"));

    let request = proxy("/api/v1/nodes/n1/proxy/exec/a/b/c");
    assert_eq!(
        (request.target().name(), request.target().port()),
        ("n1", None)
    );
    assert_eq!(KubeRequest::Proxy(request).class(), RequestClass::Stream);
    for target in [
        "/api/v1/namespaces/a/pods/ftp:web:21/proxy",
        "/api/v1/namespaces/a/pods/a:b:c:d/proxy",
        "/api/v1/namespaces/a/pods/:80/proxy",
        "/api/v1/namespaces/a/pods/https::80/proxy",
        "/api/v1/namespaces/a/pods/https:a_b:80/proxy",
        "/api/v1/namespaces/a/pods/https:a:8_0/proxy",
        "/api/v1/nodes/a%20b/proxy",
    ] {
        assert_eq!(
            parse("GET", target),
            Err(RequestError::Field { field: "name" }),
            "{target}"
        );
    }
    for target in [
        "/api/v1/pods/a/proxy",
        "/api/v1/namespaces/a/nodes/b/proxy",
        "/apis/apps/v1/namespaces/a/pods/b/proxy",
        "/api/v1/namespaces/a/configmaps/b/proxy",
        "/api/v1/watch/nodes/a/proxy",
    ] {
        assert_eq!(
            parse("GET", target),
            Err(RequestError::UnknownPath),
            "{target}"
        );
    }
}

#[test]
fn k24_requests_that_change_rights_are_a_class_of_their_own() {
    for (method, target, class) in [
        ("GET", "/api/v1/namespaces/a/pods/b/log", RequestClass::Read),
        ("GET", "/api/v1/secrets?watch=1", RequestClass::SecretRead),
        (
            "GET",
            "/api/v1/watch/namespaces/a/secrets/b",
            RequestClass::SecretRead,
        ),
        ("PUT", "/api/v1/namespaces/a/secrets/b", RequestClass::Write),
        (
            "POST",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            RequestClass::Write,
        ),
        (
            "PATCH",
            "/api/v1/namespaces/a/pods/b/ephemeralcontainers",
            RequestClass::HighRisk,
        ),
        (
            "POST",
            "/api/v1/namespaces/a/serviceaccounts/b/token",
            RequestClass::HighRisk,
        ),
        (
            "PUT",
            "/apis/certificates.k8s.io/v1/certificatesigningrequests/a/approval",
            RequestClass::HighRisk,
        ),
        (
            "POST",
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            RequestClass::HighRisk,
        ),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            RequestClass::HighRisk,
        ),
    ] {
        let request = parse(method, target).unwrap();
        assert_eq!(request.class(), class, "{method} {target}");
        assert_eq!(class.is_synced_first(), class != RequestClass::Read);
    }
}

#[test]
fn classes_have_stable_names() {
    let classes = [
        RequestClass::Read,
        RequestClass::SecretRead,
        RequestClass::Write,
        RequestClass::HighRisk,
        RequestClass::Stream,
    ];
    assert_eq!(
        classes.map(RequestClass::as_str),
        ["read", "secret_read", "write", "high_risk", "stream"]
    );
}

#[test]
fn k12_exec_and_its_like_are_streams_whatever_the_method() {
    for method in ["GET", "POST"] {
        for subresource in ["exec", "attach", "portforward", "proxy"] {
            let request = parse(
                method,
                &format!("/api/v1/namespaces/a/pods/b/{subresource}"),
            )
            .unwrap();
            assert_eq!(
                request.class(),
                RequestClass::Stream,
                "{method} {subresource}"
            );
        }
    }
}

fn upgrading(connection: &str, protocols: &[&str]) -> Result<Option<Upgrade>, RequestError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, connection.parse().unwrap());
    for protocol in protocols {
        headers.append(UPGRADE, protocol.parse().unwrap());
    }
    let request = KubeRequest::parse(&Method::GET, "/api/v1/pods?watch=1", &headers)?;
    let streams = request.class() == RequestClass::Stream;
    assert_eq!(streams, request.upgrade().is_some());
    Ok(request.upgrade())
}

#[test]
fn k16_only_websocket_and_spdy_are_upgrades() {
    let names = [Upgrade::WebSocket, Upgrade::Spdy31].map(Upgrade::as_str);
    assert_eq!(names, ["websocket", "SPDY/3.1"]);
    assert_eq!(upgrading("keep-alive", &[]), Ok(None));
    assert_eq!(
        upgrading("keep-alive, Upgrade", &["WebSocket"]),
        Ok(Some(Upgrade::WebSocket))
    );
    assert_eq!(
        upgrading("upgrade", &["SPDY/3.1"]),
        Ok(Some(Upgrade::Spdy31))
    );
    for protocol in ["h2c", "TLS/1.0", "foo", "websocket, h2c", ""] {
        assert_eq!(
            upgrading("Upgrade", &[protocol]),
            Err(RequestError::Upgrade),
            "{protocol}"
        );
    }
    assert_eq!(upgrading("Upgrade", &[]), Err(RequestError::Upgrade));
    assert_eq!(
        upgrading("keep-alive", &["websocket"]),
        Err(RequestError::Upgrade)
    );
    assert_eq!(
        upgrading("Upgrade", &["websocket", "websocket"]),
        Err(RequestError::Upgrade)
    );
}
