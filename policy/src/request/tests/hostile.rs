//! Requests that mean one thing here and another at the API server, or that mean to.

use adit_proto::Reason;

use super::super::{KubeRequest, RequestError, Verb};
use super::{parse, resource};

fn refused(target: &str) -> RequestError {
    let error = parse("GET", target).expect_err(target);
    assert_eq!(
        (error.reason(), error.http_status()),
        (Reason::RequestMalformed, 400),
        "{target}"
    );
    error
}

#[test]
fn k8_encoded_slash_is_refused() {
    for target in [
        "/api/v1/namespaces/default%2Fsecrets",
        "/api/v1/namespaces/a/pods/foo%2fexec",
        "/api/v1/namespaces/a/services/b/proxy/x%2fy",
        "/api/v1/namespaces/a/pods/foo%5cexec",
    ] {
        assert_eq!(
            refused(target),
            RequestError::Character { part: "path" },
            "{target}"
        );
    }
}

#[test]
fn k8_escaped_unreserved_character_is_refused() {
    for target in [
        "/%61pi/v1/pods",
        "/api/v1/namespaces/a/%73ecrets",
        "/api/v1/namespaces/a/pods/b%2Dc",
    ] {
        assert_eq!(refused(target), RequestError::NeedlessEscape, "{target}");
    }
}

#[test]
fn k8_dot_segments_and_empty_segments_are_refused() {
    for target in [
        "/api/./v1/pods",
        "/api/v1/../v1/secrets",
        "/api/v1/..",
        "/api/v1/namespaces/a/services/b/proxy/..",
    ] {
        assert_eq!(refused(target), RequestError::DotSegment, "{target}");
    }
    for target in ["/api/%2e%2e/v1", "/api/v1/%2E/pods", "/api/v1/.%2e/pods"] {
        assert_eq!(refused(target), RequestError::NeedlessEscape, "{target}");
    }
    for target in [
        "//api/v1/pods",
        "/api//v1/pods",
        "/api/v1//pods",
        "/api/v1/pods/",
        "/api/v1/",
        "/version/",
        "//",
    ] {
        assert_eq!(refused(target), RequestError::EmptySegment, "{target}");
    }
}

#[test]
fn k8_other_characters_are_refused_raw_and_escaped() {
    for target in [
        "/api/v1/namespaces/default;x/pods",
        "/api/v1/namespaces/default%3Bx/pods",
        "/api/v1/pods\\x",
        "/api/v1/pods#x",
        "/api/v1/pods%23x",
        "/api/v1/pods%00",
        "/api/v1/pods%0a",
        "/api/v1/pods%7f",
        "/api/v1/pods%C2%85",
        "/api/v1/nodes/a%25b",
        "/api/v1/nodes/a%3Fb",
        "/api/v1/nodes/a b",
        "/api/v1/nodes/ä",
        "/api/v1/nodes/a\tb",
        "/api/v1/nodes/{x}",
        "/api/v1/nodes/a\u{0}",
    ] {
        assert_eq!(
            refused(target),
            RequestError::Character { part: "path" },
            "{target}"
        );
    }
    for target in [
        "/api/v1/nodes/a%",
        "/api/v1/nodes/a%2",
        "/api/v1/nodes/a%zz",
        "/api/v1/nodes/%ff",
        "/api/v1/%u0061",
    ] {
        assert_eq!(
            refused(target),
            RequestError::Escape { part: "path" },
            "{target}"
        );
    }
}

#[test]
fn k8_other_forms_of_a_target_are_refused() {
    for target in [
        "",
        "*",
        "api/v1/pods",
        "https://evil.example:1/api/v1/pods",
        "evil.example:443",
        "?watch=1",
    ] {
        assert_eq!(refused(target), RequestError::NotOriginForm, "{target}");
    }
}

#[test]
fn k8_long_path_is_refused() {
    let too_long = RequestError::TooLong {
        part: "path",
        limit: 8_192,
    };
    assert_eq!(
        refused(&format!("/api/v1/nodes/{}", "a".repeat(64 * 1024))),
        too_long
    );
    let name = "a".repeat(8_192 - "/api/v1/nodes/".len());
    assert_eq!(
        resource("GET", &format!("/api/v1/nodes/{name}")).name(),
        Some(name.as_str())
    );
    assert_eq!(refused(&format!("/api/v1/nodes/{name}a")), too_long);
}

#[test]
fn k8_escape_that_a_name_needs_is_decoded_once_and_encoded_again() {
    for (sent, name, encoded) in [
        ("system%3Anode", "system:node", "system:node"),
        ("system:node", "system:node", "system:node"),
        ("a%20b", "a b", "a%20b"),
        ("%C3%A4", "ä", "%C3%A4"),
        ("%c3%a4%7C", "ä|", "%C3%A4%7C"),
    ] {
        let request = resource(
            "GET",
            &format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{sent}"),
        );
        assert_eq!(request.name(), Some(name));
        let target = KubeRequest::Resource(request).encode();
        assert_eq!(
            target,
            format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{encoded}")
        );
    }
}

#[test]
fn k8_parts_that_cannot_be_what_their_place_says_are_refused() {
    for (target, field) in [
        ("/apis/Apps/v1/pods", "group"),
        ("/apis/a..b/v1/pods", "group"),
        ("/api/V1/pods", "version"),
        ("/api/v1/namespaces/A/pods", "namespace"),
        ("/api/v1/namespaces/a,b/pods", "namespace"),
        ("/api/v1/Secrets", "resource"),
        ("/api/v1/secrets,pods", "resource"),
        ("/api/v1/namespaces/a/pods/b/ex:ec", "subresource"),
        ("/apis/a:b", "group"),
        ("/api/v1:", "version"),
    ] {
        assert_eq!(refused(target), RequestError::Field { field }, "{target}");
    }
}

#[test]
fn k10_watch_is_decided_as_the_server_decides() {
    for value in [
        "watch",
        "watch=",
        "watch=1",
        "watch=true",
        "watch=yes",
        "watch=00",
        "%77atch=1",
        "watch=+",
    ] {
        assert_eq!(
            resource("GET", &format!("/api/v1/pods?{value}")).verb(),
            Verb::Watch,
            "{value}"
        );
    }
    for value in [
        "watch=false",
        "watch=False",
        "watch=0",
        "Watch=1",
        "x=watch",
        "",
    ] {
        assert_eq!(
            resource("GET", &format!("/api/v1/pods?{value}")).verb(),
            Verb::List,
            "{value}"
        );
    }
    assert_eq!(resource("GET", "/api/v1/nodes/a?watch=1").verb(), Verb::Get);
}

#[test]
fn k10_parameter_that_decides_is_refused_twice() {
    for target in [
        "/api/v1/pods?watch=0&watch=1",
        "/api/v1/pods?watch=0&%77atch=1",
        "/api/v1/pods?watch&watch",
    ] {
        assert_eq!(
            refused(target),
            RequestError::DuplicateParameter { name: "watch" },
            "{target}"
        );
    }
    let target = "/api/v1/pods?fieldSelector=metadata.name%3Da&fieldSelector=metadata.name%3Db";
    assert_eq!(
        refused(target),
        RequestError::DuplicateParameter {
            name: "fieldSelector"
        }
    );
}

#[test]
fn k10_separators_and_broken_queries_are_refused() {
    for target in [
        "/api/v1/pods?a=1;watch=1",
        "/api/v1/pods?a=1#watch",
        "/api/v1/pods?a=\\",
        "/api/v1/pods?a=%00",
        "/api/v1/pods?=1",
        "/api/v1/pods?a%0a=1",
        "/api/v1/pods?a= b",
        "/api/v1/pods?a=\u{e4}",
    ] {
        assert_eq!(
            refused(target),
            RequestError::Character { part: "query" },
            "{target}"
        );
    }
    for target in [
        "/api/v1/pods?a=%",
        "/api/v1/pods?a=%4",
        "/api/v1/pods?a=%ff",
        "/api/v1/pods?%gg=1",
    ] {
        assert_eq!(
            refused(target),
            RequestError::Escape { part: "query" },
            "{target}"
        );
    }
}

#[test]
fn k10_ten_thousand_parameters_are_refused() {
    let many = |count: usize| format!("/api/v1/pods?{}", vec!["a"; count].join("&"));
    assert_eq!(
        refused(&many(10_000)),
        RequestError::TooManyParameters { limit: 1_000 }
    );
    assert!(parse("GET", &many(1_000)).is_ok());
    let long = format!("/api/v1/pods?a={}", "a".repeat(64 * 1024));
    assert_eq!(
        refused(&long),
        RequestError::TooLong {
            part: "query",
            limit: 65_536
        }
    );
    let longest = format!("/api/v1/pods?a={}", "a".repeat(64 * 1024 - 2));
    assert!(parse("GET", &longest).is_ok());
}

#[test]
fn k11_other_methods_are_refused_with_405() {
    let long = "A".repeat(1_024);
    for method in [
        "get",
        "Get",
        "TRACE",
        "CONNECT",
        "PROPFIND",
        "OPTIONS",
        "WATCH",
        long.as_str(),
    ] {
        let error = parse(method, "/api/v1/pods").expect_err(method);
        assert_eq!(
            (error.clone(), error.http_status()),
            (RequestError::Method, 405),
            "{method}"
        );
        assert_eq!(error.reason(), Reason::RequestUnsupported);
    }
}
