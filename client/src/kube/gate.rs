//! Who may pass the local listener, decided from a request's head alone.
//!
//! A browser page can send requests to 127.0.0.1, also under a name that it makes resolve there. So the `Host` (and the
//! authority, where there is one) must be exactly the listener's and an `Origin` its own; nothing is answered with CORS
//! headers. Then the token decides: it names its cluster, and the path may do so too.

use adit_proto::Reason;
use adit_proto::target::Name;
use adit_proto::time::UnixMillis;
use http::header::{AUTHORIZATION, ORIGIN};
use http::{HeaderMap, StatusCode, Uri};

use super::token::{Entitled, TokenKey};
use crate::exit::Failure;
use crate::loopback::{Found, host_of, only};
use crate::profile::ProfileName;

/// What paths begin with, but for those of `kubectl proxy`, which leaves out the path of a server.
const PREFIX: &str = "/k/";
/// The origin that WebSocket clients of Go send (golang.org/x/net/websocket must have one, and Kubernetes' own clients
/// give it this). With a token it is no page's: a page cannot add one.
const OF_LIBRARIES: &str = "http://localhost";

/// Why a request does not pass.
#[derive(Debug)]
pub struct Turned {
    /// The HTTP status.
    pub status: StatusCode,
    /// What the `Status` says.
    pub failure: Failure,
}

fn turned(status: StatusCode, reason: Reason, message: &str) -> Turned {
    let failure = Failure::of(reason, message);
    Turned { status, failure }
}

/// A request that passed: for which cluster, and the rest of its path, as sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Passed {
    /// Proof of the token.
    pub entitled: Entitled,
    /// Path and query as the API server gets them.
    pub rest: String,
}

/// The check of one listener.
#[derive(Debug)]
pub struct Gate {
    authority: String,
    origin: String,
    profile: ProfileName,
    key: TokenKey,
}

impl Gate {
    /// A gate for the listener at 127.0.0.1 and `port`.
    #[must_use]
    pub fn new(port: u16, profile: ProfileName, key: TokenKey) -> Self {
        let authority = format!("127.0.0.1:{port}");
        Self {
            origin: format!("https://{authority}"),
            authority,
            profile,
            key,
        }
    }

    /// Checks `Host`, `Origin`, path and token, in this order.
    ///
    /// # Errors
    /// [`Turned`]: 403 for a foreign host or origin, 404 for another path, 401 for the token.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap, now: UnixMillis) -> Result<Passed, Turned> {
        self.check_host(uri, headers)?;
        self.check_origin(headers, now)?;
        let no_cluster = || {
            let message = "no cluster of this name is served here";
            turned(StatusCode::NOT_FOUND, Reason::UnknownOrForbidden, message)
        };
        let (cluster, rest) = split(uri).ok_or_else(no_cluster)?;
        let bad_token = |message: &str| {
            let failure = Failure::of(Reason::SignInRequired, message)
                .repaired_by("use the context that `adit kube` writes");
            let status = StatusCode::UNAUTHORIZED;
            Turned { status, failure }
        };
        let token = bearer(headers)
            .ok_or_else(|| bad_token("the local endpoint needs the token of the exec plugin"))?;
        let entitled = self
            .key
            .check(&self.profile, token, now)
            .map_err(|error| bad_token(&error.to_string()))?;
        if cluster.is_some_and(|cluster| cluster != *entitled.cluster()) {
            return Err(bad_token("the token is not one for this cluster"));
        }
        Ok(Passed { entitled, rest })
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Turned> {
        let right = host_of(uri, headers) == Some(&self.authority);
        let message = "the request names another host than the local endpoint";
        right
            .then_some(())
            .ok_or_else(|| turned(StatusCode::FORBIDDEN, Reason::RequestMalformed, message))
    }

    fn check_origin(&self, headers: &HeaderMap, now: UnixMillis) -> Result<(), Turned> {
        let shows_token = || {
            let token = bearer(headers);
            token.is_some_and(|token| self.key.check(&self.profile, token, now).is_ok())
        };
        let right = match only(headers, &ORIGIN) {
            Found::None => true,
            Found::One(OF_LIBRARIES) => shows_token(),
            Found::One(origin) => origin == self.origin,
            Found::Bad => false,
        };
        let message = "the request comes from a web page";
        right
            .then_some(())
            .ok_or_else(|| turned(StatusCode::FORBIDDEN, Reason::RequestMalformed, message))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    match only(headers, &AUTHORIZATION) {
        Found::One(value) => value.strip_prefix("Bearer "),
        Found::None | Found::Bad => None,
    }
}

/// Takes `/k/CLUSTER` off, if it is there; the rest stays as sent, and is `/` where there is none.
fn split(uri: &Uri) -> Option<(Option<Name>, String)> {
    let (cluster, path) = match uri.path().strip_prefix(PREFIX) {
        None => (None, uri.path()),
        Some(after) => {
            let at = after.find('/').unwrap_or(after.len());
            let (cluster, path) = after.split_at_checked(at)?;
            (
                Some(cluster.parse().ok()?),
                if path.is_empty() { "/" } else { path },
            )
        }
    };
    let rest = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    Some((cluster, rest))
}

#[cfg(test)]
mod tests {
    use super::super::token::tests::{context, key};
    use super::*;
    use http::header::{HeaderName, HeaderValue};

    const NOW: UnixMillis = UnixMillis(5);

    fn gate() -> (Gate, String) {
        let scratch = tempfile::tempdir().unwrap();
        let key = key(scratch.path());
        let token = key.issue(&context("prod"), NOW).text.to_string();
        (Gate::new(4711, "one".parse().unwrap(), key), token)
    }

    fn check(uri: &str, headers: &[(&str, &str)]) -> Result<Passed, u16> {
        let (gate, token) = gate();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = value.replace("TOKEN", &token);
            map.append(
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_str(&value).unwrap(),
            );
        }
        gate.check(&uri.parse().unwrap(), &map, NOW)
            .map_err(|turned| turned.status.as_u16())
    }

    const HOST_OK: (&str, &str) = ("host", "127.0.0.1:4711");
    const TOKEN_OK: (&str, &str) = ("authorization", "Bearer TOKEN");

    #[test]
    fn the_rest_of_the_path_stays_as_sent() {
        for (uri, rest) in [
            (
                "/k/prod/api/v1/a%2Fb//c?x=%41&y",
                "/api/v1/a%2Fb//c?x=%41&y",
            ),
            ("/k/prod", "/"),
            ("/api/v1/pods?limit=1", "/api/v1/pods?limit=1"),
            ("/", "/"),
            ("/k/prod?timeout=32s", "/?timeout=32s"),
        ] {
            assert_eq!(check(uri, &[HOST_OK, TOKEN_OK]).unwrap().rest, rest);
        }
    }

    #[test]
    fn l4_a_foreign_host_or_origin_is_403() {
        for host in [
            "evil.example",
            "127.0.0.1",
            "127.0.0.1:4712",
            "localhost:4711",
            "0.0.0.0:4711",
            "[::1]:4711",
            "127.0.0.1:4711.evil.example",
        ] {
            assert_eq!(
                check("/k/prod/api", &[("host", host), TOKEN_OK]),
                Err(403),
                "{host}"
            );
        }
        for origin in [
            "https://evil.example",
            "null",
            "http://127.0.0.1:4711",
            "https://localhost",
            "http://localhost:8080",
        ] {
            let headers = [HOST_OK, TOKEN_OK, ("origin", origin)];
            assert_eq!(check("/k/prod/api", &headers), Err(403), "{origin}");
        }
        let own = [HOST_OK, TOKEN_OK, ("origin", "https://127.0.0.1:4711")];
        assert!(check("/k/prod/api", &own).is_ok());
        let library = ("origin", "http://localhost");
        assert!(check("/k/prod/api", &[HOST_OK, TOKEN_OK, library]).is_ok());
        assert_eq!(
            check("/k/prod/api", &[HOST_OK, library]),
            Err(403),
            "a page has no token"
        );
        assert_eq!(check("/k/prod/api", &[TOKEN_OK]), Err(403), "no host");
        assert_eq!(
            check("/k/prod/api", &[HOST_OK, HOST_OK, TOKEN_OK]),
            Err(403),
            "two hosts"
        );
        let absolute = "https://evil.example/k/prod/api";
        assert_eq!(
            check(absolute, &[HOST_OK, TOKEN_OK]),
            Err(403),
            "absolute form"
        );
        assert!(
            check("https://127.0.0.1:4711/k/prod/api", &[TOKEN_OK]).is_ok(),
            "HTTP/2"
        );
    }

    #[test]
    fn l3_without_the_token_of_this_cluster_it_is_401() {
        assert_eq!(check("/k/prod/api", &[HOST_OK]), Err(401));
        assert_eq!(check("/k/dev/api", &[HOST_OK, TOKEN_OK]), Err(401));
        assert_eq!(
            check("/k/prod/api", &[HOST_OK, ("authorization", "Basic TOKEN")]),
            Err(401)
        );
        assert_eq!(
            check("/k/prod/api", &[HOST_OK, TOKEN_OK, TOKEN_OK]),
            Err(401)
        );
    }

    #[test]
    fn other_names_are_404() {
        for uri in ["/k/", "/k//api", "/k/PROD/api", "/k/pr%6fd/api"] {
            assert_eq!(check(uri, &[HOST_OK, TOKEN_OK]), Err(404), "{uri}");
        }
    }
}
