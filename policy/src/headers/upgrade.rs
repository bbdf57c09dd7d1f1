//! The headers of an upgrade: WebSocket (RFC 6455) and SPDY/3.1 as the Kubernetes clients speak it.

use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{HeaderError, header_value, printable};
use crate::request::{KubeRequest, Upgrade};

/// Where a SPDY client and the API server settle what the streams mean.
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// What the API server's own streams speak: exec and attach, logs and watches in frames, port-forward.
const CHANNELS: [&str; 11] = [
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
    "channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "base64.channel.k8s.io",
    "binary.k8s.io",
    "base64.binary.k8s.io",
    "portforward.k8s.io",
    "SPDY/3.1+portforward.k8s.io",
];

/// How a second credential begins, which the API server takes where it does not take the first (measurement M16).
const BEARER: &[u8] = b"base64url.bearer.";

/// Adds what asks for the upgrade of `request`. Extensions stay behind: the API server has none.
pub(super) fn ask(
    headers: &mut HeaderMap,
    client: &HeaderMap,
    request: &KubeRequest,
) -> Result<(), HeaderError> {
    let Some(upgrade) = request.upgrade() else {
        return Ok(());
    };
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(upgrade.as_str()));
    let (offers, kept): (_, fn(&str) -> bool) = match (upgrade, request) {
        (Upgrade::Spdy31, _) => (STREAM_PROTOCOL, is_channel),
        (Upgrade::WebSocket, KubeRequest::Proxy(_)) => (SEC_WEBSOCKET_PROTOCOL, is_no_credential),
        (Upgrade::WebSocket, _) => (SEC_WEBSOCKET_PROTOCOL, is_channel),
    };
    if upgrade == Upgrade::WebSocket {
        headers.insert(SEC_WEBSOCKET_KEY, key(client)?);
        let version = once(client, &SEC_WEBSOCKET_VERSION)?;
        if version != "13" {
            return Err(handshake(&SEC_WEBSOCKET_VERSION));
        }
        headers.insert(SEC_WEBSOCKET_VERSION, version);
    }
    let mut words = Vec::new();
    for value in client.get_all(&offers) {
        let value = printable(&offers, value)?;
        let listed = value.to_str().unwrap_or_default().split(',');
        let listed = listed.map(str::trim).filter(|word| kept(word));
        words.extend(listed.map(str::to_owned));
    }
    match upgrade {
        // The kubelet reads the first of several headers alone (`golang.org/x/net/websocket`): port-forward by kube-rs
        // and by the Python library was refused.
        Upgrade::WebSocket if !words.is_empty() => {
            headers.insert(offers.clone(), header_value(&offers, &words.join(", "))?);
        }
        Upgrade::WebSocket => {}
        Upgrade::Spdy31 => {
            for word in words {
                headers.append(offers.clone(), header_value(&offers, &word)?);
            }
        }
    }
    Ok(())
}

/// The headers of a 101, if that switches to what was asked for and nothing else.
#[must_use]
pub fn switched(upstream: &HeaderMap, asked: Upgrade) -> Option<HeaderMap> {
    let switches = Upgrade::of(upstream).ok().flatten() == Some(asked);
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(asked.as_str()));
    let settled = match asked {
        Upgrade::WebSocket => SEC_WEBSOCKET_PROTOCOL,
        Upgrade::Spdy31 => STREAM_PROTOCOL,
    };
    for name in [settled, SEC_WEBSOCKET_ACCEPT] {
        if let Some(value) = upstream.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    switches.then_some(headers)
}

/// The key of a WebSocket handshake: 16 bytes in base64 (RFC 6455, section 4.1).
fn key(client: &HeaderMap) -> Result<HeaderValue, HeaderError> {
    let key = once(client, &SEC_WEBSOCKET_KEY)?;
    let letters = key.as_bytes().strip_suffix(b"==").unwrap_or_default();
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    if letters.len() == 22 && letters.iter().all(is_base64) {
        Ok(key)
    } else {
        Err(handshake(&SEC_WEBSOCKET_KEY))
    }
}

fn once(client: &HeaderMap, name: &HeaderName) -> Result<HeaderValue, HeaderError> {
    let mut values = client.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.clone()),
        (None, _) => Err(handshake(name)),
        (Some(_), Some(_)) => Err(HeaderError::Duplicate { name: name.clone() }),
    }
}

fn handshake(name: &HeaderName) -> HeaderError {
    HeaderError::Handshake { name: name.clone() }
}

fn is_channel(word: &str) -> bool {
    CHANNELS.contains(&word)
}

/// What an application behind the API server's proxy speaks is its own, but the API server reads the list first.
fn is_no_credential(word: &str) -> bool {
    let start = word.as_bytes().get(..BEARER.len()).unwrap_or_default();
    !word.is_empty() && !start.eq_ignore_ascii_case(BEARER)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    const POD: &str = "/api/v1/namespaces/default/pods/a";
    const WEB_SOCKET: [(&str, &str); 4] = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ];

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = name.parse::<HeaderName>().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn asked(path: &str, pairs: &[(&str, &str)]) -> Result<HeaderMap, HeaderError> {
        let client = map(pairs);
        let request = KubeRequest::parse(&Method::GET, &format!("{POD}{path}"), &client).unwrap();
        let mut headers = HeaderMap::new();
        ask(&mut headers, &client, &request).map(|()| headers)
    }

    fn protocols(headers: &HeaderMap, name: &str) -> Vec<String> {
        let values = headers.get_all(name).iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_request_without_an_upgrade_gets_no_header_of_one() {
        assert!(asked("/log", &WEB_SOCKET[2..]).unwrap().is_empty());
    }

    #[test]
    fn k6_only_known_channel_protocols_are_asked_for_in_one_header() {
        let offered = "base64url.bearer.authorization.k8s.io.c2VjcmV0, v5.channel.k8s.io";
        let mut pairs = WEB_SOCKET.to_vec();
        pairs.extend([
            ("sec-websocket-protocol", offered),
            ("sec-websocket-protocol", "v4.channel.k8s.io,chat"),
            ("sec-websocket-extensions", "permessage-deflate"),
        ]);
        let headers = asked("/exec?command=sh", &pairs).unwrap();
        let name = "sec-websocket-protocol";
        assert_eq!(
            protocols(&headers, name),
            ["v5.channel.k8s.io, v4.channel.k8s.io"]
        );
        assert!(!headers.contains_key("sec-websocket-extensions"));

        let mut pairs = WEB_SOCKET.to_vec();
        pairs.push((name, "base64url.bearer.authorization.k8s.io.c2VjcmV0"));
        let headers = asked("/exec?command=sh", &pairs).unwrap();
        assert!(!headers.contains_key(name), "nothing known is left");
    }

    #[test]
    fn k6_an_application_behind_the_proxy_keeps_its_protocols_and_gets_no_credential() {
        let mut pairs = WEB_SOCKET.to_vec();
        let offered = "chat, BASE64URL.bearer.authorization.k8s.io.c2VjcmV0, ,base64url.bearer.x";
        pairs.push(("sec-websocket-protocol", offered));
        let headers = asked("/proxy/socket", &pairs).unwrap();
        assert_eq!(protocols(&headers, "sec-websocket-protocol"), ["chat"]);
    }

    #[test]
    fn spdy_asks_for_its_stream_protocols() {
        let headers = asked(
            "/exec?command=sh",
            &[
                ("connection", "Upgrade"),
                ("upgrade", "SPDY/3.1"),
                ("x-stream-protocol-version", "v4.channel.k8s.io"),
                ("x-stream-protocol-version", "evil, channel.k8s.io"),
            ],
        )
        .unwrap();
        let name = "x-stream-protocol-version";
        assert_eq!(
            protocols(&headers, name),
            ["v4.channel.k8s.io", "channel.k8s.io"]
        );
        assert_eq!(headers["upgrade"], "SPDY/3.1");
    }

    #[test]
    fn an_incomplete_web_socket_handshake_is_refused() {
        for (name, value) in [
            ("sec-websocket-key", "short"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ\u{20}="),
            ("sec-websocket-version", "8"),
        ] {
            let mut pairs = WEB_SOCKET.to_vec();
            pairs.retain(|(other, _)| *other != name);
            let name = name.parse().unwrap();
            let refused = Err(HeaderError::Handshake { name });
            assert_eq!(asked("/exec", &pairs), refused, "absent");
            let text = match &refused {
                Err(HeaderError::Handshake { name }) => name.as_str().to_owned(),
                _ => unreachable!(),
            };
            pairs.push((&text, value));
            assert_eq!(asked("/exec", &pairs), refused, "{value:?}");
        }
        let mut twice = WEB_SOCKET.to_vec();
        twice.push(WEB_SOCKET[2]);
        let name = SEC_WEBSOCKET_KEY;
        assert_eq!(asked("/exec", &twice), Err(HeaderError::Duplicate { name }));
    }

    #[test]
    fn k14_only_a_switch_to_what_was_asked_for_is_one() {
        let good = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("set-cookie", "a=b"),
        ];
        let headers = switched(&map(&good), Upgrade::WebSocket).unwrap();
        assert_eq!(headers.len(), 2, "{headers:?}");
        for (pairs, asked) in [
            (&good[..], Upgrade::Spdy31),
            (&good[1..2], Upgrade::WebSocket),
            (&good[..1], Upgrade::WebSocket),
            (&[], Upgrade::WebSocket),
            (
                &[("connection", "Upgrade"), ("upgrade", "h2c")],
                Upgrade::WebSocket,
            ),
        ] {
            assert_eq!(switched(&map(pairs), asked), None, "{pairs:?}");
        }
    }
}
