use adit_proto::Reason;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;

const OUTSIDE: &str = "wiki-k3j4x2aa.localhost:24001";

fn inside() -> Origin {
    "http://wiki.default.svc:8080".parse().unwrap()
}

fn map(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = name.parse::<HeaderName>().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn parse(target: &str, pairs: &[(&str, &str)]) -> Result<WebRequest, WebError> {
    let pairs = [&[("host", OUTSIDE)], pairs].concat();
    WebRequest::parse(&Method::GET, target, &map(&pairs), &inside())
}

/// What goes upstream, one line a header.
fn shown(headers: &HeaderMap) -> Vec<String> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    let mut lines: Vec<_> = headers.iter().map(line).collect();
    lines.sort();
    lines
}

fn sent(pairs: &[(&str, &str)]) -> Vec<String> {
    let request = parse("/", pairs).unwrap();
    shown(&request.headers(HeaderValue::from_static("token")))
}

fn answered(pairs: &[(&str, &str)]) -> Vec<String> {
    shown(&parse("/", &[]).unwrap().answer(&map(pairs)))
}

const OURS: [&str; 2] = ["adit-identity: token", "host: wiki.default.svc:8080"];

#[test]
fn the_application_is_asked_by_its_own_name_and_told_who_asks() {
    assert_eq!(sent(&[]), OURS);
    let own = format!("http://{OUTSIDE}");
    let page = format!("{own}/pages?x=1");
    let sent = sent(&[
        ("origin", &own),
        ("referer", &page),
        ("accept", "text/html"),
    ]);
    assert_eq!(
        sent,
        [
            "accept: text/html",
            OURS[0],
            OURS[1],
            "origin: http://wiki.default.svc:8080",
            "referer: http://wiki.default.svc:8080/pages?x=1",
        ]
    );
}

#[test]
fn h13_an_origin_of_another_page_is_refused() {
    for origin in [
        "http://evil.example",
        "https://wiki-k3j4x2aa.localhost:24001",
        "http://wiki-k3j4x2aa.localhost",
        "http://wiki-k3j4x2aa.localhost:24002",
        "http://wiki-k3j4x2aa.localhost:24001.evil.example",
        "http://wiki-k3j4x2aa.localhost:24001/",
        "http://wiki.default.svc:8080",
        "",
    ] {
        let refused = parse("/", &[("origin", origin)]).unwrap_err();
        assert_eq!(refused, WebError::Origin, "{origin}");
    }
    let own = format!("http://{OUTSIDE}");
    let twice = parse("/", &[("origin", &own), ("origin", &own)]);
    assert_eq!(twice.unwrap_err(), WebError::Origin);
}

#[test]
fn the_address_of_another_sites_page_stays_behind() {
    for referer in [
        "https://evil.example/x",
        "http://wiki-k3j4x2aa.localhost:240011/x",
    ] {
        assert_eq!(sent(&[("referer", referer)]), OURS, "{referer}");
    }
}

#[test]
fn k1_headers_of_the_connector_are_refused_in_any_spelling() {
    for name in [
        "Adit-Identity",
        "adit_identity",
        "ADIT.IDENTITY",
        "adit-",
        "adit-anything",
    ] {
        let error = parse("/", &[(name, "x")]).unwrap_err();
        assert_eq!(error.reason(), Reason::ImpersonationRefused, "{name}");
        let nominated = parse("/", &[("connection", name), (name, "x")]);
        assert!(nominated.is_err(), "{name}");
    }
    assert!(parse("/", &[("x-adit-identity", "x"), ("aditional", "x")]).is_ok());
    assert_eq!(sent(&[("connection", "adit-identity, host")]), OURS);
}

#[test]
fn k4_what_concerns_one_connection_or_only_a_proxy_may_say_stays_behind() {
    let sent = sent(&[
        ("connection", "keep-alive, X-Mine"),
        ("x-mine", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("expect", "100-continue"),
        ("proxy-authorization", "Basic x"),
        ("forwarded", "for=10.0.0.1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("X_Forwarded_User", "root"),
        ("remote-user", "root"),
        ("x-remote-user", "root"),
        ("x-webauth-user", "root"),
        ("x-real-ip", "10.0.0.1"),
    ]);
    assert_eq!(sent, OURS);
}

#[test]
fn credentials_of_the_application_itself_pass() {
    let sent = sent(&[
        ("authorization", "Bearer of-the-application"),
        ("cookie", "sid=1"),
        ("x-csrf-token", "t"),
    ]);
    assert_eq!(sent.len(), OURS.len() + 3, "{sent:?}");
}

#[test]
fn k8_targets_and_methods_that_concern_no_application_are_refused() {
    for target in ["", "x", "*", "http://evil.example/", "/a#b", "/a b", "?x"] {
        assert_eq!(
            parse(target, &[]).unwrap_err(),
            WebError::Target,
            "{target}"
        );
    }
    for target in ["/", "/a%2Fb//c?x=%41&y", "/a?", "/a?b?c"] {
        assert_eq!(parse(target, &[]).unwrap().target().as_str(), target);
    }
    let headers = map(&[("host", OUTSIDE)]);
    for method in [Method::CONNECT, Method::TRACE] {
        let refused = WebRequest::parse(&method, "/", &headers, &inside());
        assert_eq!(refused.unwrap_err(), WebError::Method);
    }
}

#[test]
fn l4_a_request_names_one_host() {
    for hosts in [
        &[][..],
        &[("host", "a.localhost:1"), ("host", "b.localhost:1")],
        &[("host", "")],
        &[("host", "user@a.localhost:1")],
        &[("host", "a.localhost:1/x")],
        &[("host", "a b")],
    ] {
        let refused = WebRequest::parse(&Method::GET, "/", &map(hosts), &inside());
        assert_eq!(refused.unwrap_err(), WebError::Host, "{hosts:?}");
    }
}

#[test]
fn k16_of_upgrades_only_a_web_socket_is_asked_for() {
    let socket = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let request = parse("/", &socket).unwrap();
    assert!(request.upgrades());
    let headers = request.headers(HeaderValue::from_static("token"));
    assert_eq!(headers["connection"], "Upgrade");
    assert_eq!(headers["upgrade"], "websocket");
    for upgrade in ["h2c", "SPDY/3.1", "TLS/1.0", "websocket, h2c"] {
        let refused = parse("/", &[("connection", "Upgrade"), ("upgrade", upgrade)]);
        assert_eq!(refused.unwrap_err(), WebError::Upgrade, "{upgrade}");
    }
    let posted = map(&[("host", OUTSIDE), socket[0], socket[1]]);
    let refused = WebRequest::parse(&Method::POST, "/", &posted, &inside());
    assert_eq!(refused.unwrap_err(), WebError::Upgrade);
}

#[test]
fn k14_only_the_switch_that_was_asked_for_is_one() {
    let socket = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let asked = parse("/", &socket).unwrap();
    let switch = map(&[socket[0], socket[1], ("sec-websocket-accept", "x")]);
    let headers = asked.switched(&switch).unwrap();
    assert_eq!(headers["sec-websocket-accept"], "x");
    assert!(parse("/", &[]).unwrap().switched(&switch).is_none());
    let other = map(&[socket[0], ("upgrade", "h2c")]);
    assert!(asked.switched(&other).is_none());
    assert!(asked.switched(&HeaderMap::new()).is_none());
}

#[test]
fn locations_of_the_application_get_the_browsers_name() {
    let own = format!("http://{OUTSIDE}");
    for (location, wanted) in [
        ("http://wiki.default.svc:8080/a?b#c", format!("{own}/a?b#c")),
        ("HTTPS://WIKI.default.svc:8080", own.clone()),
        ("//wiki.default.svc:8080/a", format!("{own}/a")),
        ("/a", "/a".to_owned()),
        (
            "https://sso.example/login?to=http://wiki.default.svc:8080/",
            String::new(),
        ),
        ("http://wiki.default.svc:80801/a", String::new()),
        ("http://wiki.default.svc:8080@evil.example/", String::new()),
    ] {
        let wanted = if wanted.is_empty() { location } else { &wanted };
        let answered = answered(&[("location", location)]);
        assert_eq!(answered, [format!("location: {wanted}")]);
    }
}

#[test]
fn cookies_are_for_one_host_alone() {
    for (cookie, wanted) in [
        ("a=b; Domain=wiki.default.svc; Path=/", "a=b; Path=/"),
        ("a=b;domain = .svc;DOMAIN=x; HttpOnly", "a=b; HttpOnly"),
        ("domain=b; Secure", "domain=b; Secure"),
        ("a=b; Domain", "a=b"),
    ] {
        let answered = answered(&[("set-cookie", cookie)]);
        assert_eq!(answered, [format!("set-cookie: {wanted}")]);
    }
    let two = answered(&[("set-cookie", "a=1; Domain=x"), ("set-cookie", "b=2")]);
    assert_eq!(two, ["set-cookie: a=1", "set-cookie: b=2"]);
}

#[test]
fn an_answer_says_nothing_of_its_connection_and_nothing_in_our_name() {
    let answered = answered(&[
        ("connection", "close, x-mine"),
        ("x-mine", "1"),
        ("transfer-encoding", "chunked"),
        ("alt-svc", "h2=\":443\""),
        ("strict-transport-security", "max-age=1"),
        ("adit-identity", "forged"),
        ("content-security-policy", "default-src 'self'"),
    ]);
    assert_eq!(answered, ["content-security-policy: default-src 'self'"]);
}

#[test]
fn origins_are_read_without_what_their_scheme_says_already() {
    for (text, shown) in [
        ("http://a.example:80", "http://a.example"),
        ("https://A.example:443", "https://a.example"),
        ("https://a.example:80", "https://a.example:80"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ] {
        assert_eq!(text.parse::<Origin>().unwrap().to_string(), shown);
    }
    for text in [
        "a.example",
        "ftp://a",
        "http://",
        "http://a/",
        "http://u@a",
        "http://a:",
        "http://a:0",
    ] {
        assert_eq!(text.parse::<Origin>(), Err(OriginError), "{text}");
    }
}
