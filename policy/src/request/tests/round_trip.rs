//! Whatever parses means the same here, at the API server, and after it was built anew.

use proptest::prelude::*;

use super::super::KubeRequest;
use super::parse;

/// What the API server's `RequestInfo` holds of a path: verb, group, version, namespace, resource, name, subresource.
type Info = Option<[String; 7]>;

/// Decodes as Go's `url.PathUnescape` and `url.QueryUnescape` do.
fn unescape(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .unwrap()
        .into_owned()
}

/// `RequestInfoFactory.NewRequestInfo`, as it reads a target: decode first, then split.
fn server_info(method: &str, target: &str) -> Info {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = unescape(path);
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    if parts.len() < 3 || !["api", "apis"].contains(&parts[0]) {
        return None;
    }
    let mut group = "";
    if parts.remove(0) == "apis" {
        if parts.len() < 3 {
            return None;
        }
        group = parts.remove(0);
    }
    let version = parts.remove(0);
    let mut verb = match method {
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "get",
    };
    if ["proxy", "watch"].contains(&parts[0]) {
        verb = parts.remove(0);
    }
    let mut namespace = "";
    if parts[0] == "namespaces" && parts.len() > 1 {
        namespace = parts[1];
        if parts.len() > 2 && !["status", "finalize"].contains(&parts[2]) {
            parts.drain(..2);
        }
    }
    let at = |index: usize| parts.get(index).copied().unwrap_or_default();
    let (name, watch) = (at(1), first(query, "watch"));
    if name.is_empty() && verb == "get" {
        verb = match watch.as_deref() {
            None | Some("0" | "false") => "list",
            Some(_) => "watch",
        };
    }
    if name.is_empty() && verb == "delete" {
        verb = "deletecollection";
    }
    Some([verb, group, version, namespace, at(0), name, at(2)].map(str::to_owned))
}

fn first(query: &str, name: &str) -> Option<String> {
    let mut pairs = query
        .split('&')
        .filter(|pair| !pair.contains(';') && !pair.is_empty());
    pairs.find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescape(key) == name).then(|| unescape(value))
    })
}

/// The same of our own model.
fn our_info(request: &KubeRequest) -> Info {
    match request {
        KubeRequest::NonResource(_) => None,
        KubeRequest::Resource(request) => Some(
            [
                request.verb().as_str(),
                request.group(),
                request.version(),
                request.namespace().unwrap_or_default(),
                request.resource(),
                request.name().unwrap_or_default(),
                request.subresource().unwrap_or_default(),
            ]
            .map(str::to_owned),
        ),
        KubeRequest::Proxy(request) => {
            let verb = match request.envelope.method.as_str() {
                "POST" => "create",
                "PUT" => "update",
                "PATCH" => "patch",
                "DELETE" => "delete",
                _ => "get",
            };
            let namespace = request.namespace().unwrap_or_default();
            let resource = request.kind().resource();
            Some(
                [
                    verb,
                    "",
                    "v1",
                    namespace,
                    resource,
                    request.target().as_str(),
                    "proxy",
                ]
                .map(str::to_owned),
            )
        }
    }
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        30 => prop::sample::select(vec![
            "api", "apis", "v1", "apps", "namespaces", "default", "pods", "secrets", "web", "exec", "proxy", "watch",
            "status", "finalize", "nodes", "services", "version", "openapi", "v3", "healthz", "https:web:443", "*",
        ]).prop_map(str::to_owned),
        1 => prop::sample::select(vec![
            "", ".", "..", "%2e%2e", "a%2Fb", "%61pi", "a;b", "a%3Bb", "a%20b", "%C3%A4", "system%3Aa", "%ff", "a%00",
            "a+b", "a%2Bb", "a=b&c", "a%25", "(a)",
        ]).prop_map(str::to_owned),
        1 => "[a-zA-Z0-9%.~+:@ ;#?/\\\\]{0,6}",
    ]
}

fn target() -> impl Strategy<Value = String> {
    let pair = prop_oneof![
        prop::sample::select(vec![
            "watch",
            "watch=1",
            "watch=0",
            "watch=false",
            "%77atch=1",
            "Watch=1",
            "limit=5",
            "a=1;watch=1",
            "",
            "command=a%0Ab",
            "labelSelector=a+in+(b%2Cc)",
            "a=%2526",
            "=x",
            "a=%zz",
        ])
        .prop_map(str::to_owned),
        "[a-z%=&+;#]{0,8}",
    ];
    let prefix = prop::sample::select(vec![
        "",
        "/api/v1",
        "/apis/apps/v1",
        "/api/v1/namespaces/a",
        "/api/v1/watch",
    ]);
    let words = (prefix, prop::collection::vec(segment(), 0..5));
    let path = prop_oneof![
        20 => words.prop_map(|(prefix, words)| format!("{prefix}/{}", words.join("/"))),
        1 => ".{0,40}",
    ];
    (path, prop::collection::vec(pair, 0..3)).prop_map(|(path, pairs)| match pairs.join("&") {
        query if query.is_empty() => path,
        query => format!("{path}?{query}"),
    })
}

fn method() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn k8_a_request_that_is_built_anew_parses_to_itself(method in method(), target in target()) {
        if let Ok(request) = parse(method, &target) {
            let again = parse(method, &request.encode());
            prop_assert_eq!(again.as_ref(), Ok(&request), "{}", target);
        }
    }

    #[test]
    fn k8_k10_the_server_reads_what_we_read(method in method(), target in target()) {
        if let Ok(request) = parse(method, &target) {
            let ours = our_info(&request);
            prop_assert_eq!(&server_info(method, &target), &ours, "{}", target);
            prop_assert_eq!(&server_info(method, &request.encode()), &ours, "{}", target);
        }
    }

    #[test]
    fn k8_nothing_but_plain_characters_goes_upstream(method in method(), target in target()) {
        if let Ok(request) = parse(method, &target) {
            let encoded = request.encode();
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@/?%".contains(&byte);
            prop_assert!(encoded.bytes().all(plain), "{}", encoded);
            let path = encoded.split('?').next().unwrap().to_ascii_lowercase();
            for hidden in ["%2f", "%5c", "%25", "%3b", "%23", "%3f", "%0", "%1", "%7f", "/./", "/../", "//"] {
                prop_assert!(!path.contains(hidden), "{}", path);
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(target in ".{0,200}") {
        let _ = parse("GET", &target);
    }
}

#[test]
fn the_generated_targets_do_parse_often_enough() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let parsed = (0..1_000)
        .filter(|_| parse("GET", &target().new_tree(&mut runner).unwrap().current()).is_ok());
    assert!(parsed.count() > 150);
}
