use http::header::{COOKIE, REFERRER_POLICY};

use super::*;

const NOW: UnixMillis = UnixMillis(1_000_000);
const WIKI: &str = "service/prod/wiki";
const SHOP: &str = "service/prod/shop";

struct Rig {
    gate: Gate,
    _scratch: tempfile::TempDir,
}

fn rig() -> Rig {
    let scratch = tempfile::tempdir().unwrap();
    let names = Names::load(scratch.path()).unwrap();
    Rig {
        gate: Gate::new(24_001, names).unwrap(),
        _scratch: scratch,
    }
}

/// An application as a browser knows it that was let in.
struct Known {
    host: String,
    cookie: String,
}

impl Rig {
    fn check(
        &self,
        (method, target): (Method, &str),
        headers: &[(&str, &str)],
    ) -> Result<Passed, Turned> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = name.parse::<HeaderName>().unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        self.gate
            .check(&method, &target.parse().unwrap(), &map, NOW)
    }

    fn enter(&self, target: &str) -> Known {
        let invitation = self.gate.invite(&target.parse().unwrap(), NOW).unwrap();
        let host = invitation
            .origin
            .strip_prefix("http://")
            .unwrap()
            .to_owned();
        let path = invitation.address();
        let path = path.strip_prefix(&invitation.origin).unwrap();
        let entered = self.check((Method::GET, path), &[("host", &host)]);
        let Ok(Passed::Entered(response)) = entered else {
            panic!("not entered: {entered:?}");
        };
        assert!(invitation.nonce.shown.is_cancelled());
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(response.headers()[LOCATION], "/");
        assert_eq!(response.headers()[REFERRER_POLICY], "no-referrer");
        let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Known { host, cookie }
    }

    /// What becomes of a request that the browser of `known` sends.
    fn sends(&self, known: &Known, method: Method, more: &[(&str, &str)]) -> Result<Visit, Turned> {
        let ours = [("host", &*known.host), ("cookie", &*known.cookie)];
        match self.check((method, "/x?y"), &[&ours[..], more].concat())? {
            Passed::Visit(visit) => Ok(visit),
            Passed::Entered(_) => panic!("entered"),
        }
    }
}

#[test]
fn a_browser_that_was_let_in_visits_the_application_of_its_host() {
    let rig = rig();
    let (wiki, shop) = (rig.enter(WIKI), rig.enter(SHOP));
    for (known, target) in [(&wiki, WIKI), (&shop, SHOP)] {
        let visit = rig.sends(known, Method::GET, &[]).unwrap();
        assert_eq!(visit.target().to_string(), target);
    }
}

#[test]
fn l3_without_cookie_or_nonce_nobody_passes_and_a_nonce_passes_once() {
    let rig = rig();
    let (wiki, shop) = (rig.enter(WIKI), rig.enter(SHOP));
    let bare = rig.check((Method::GET, "/"), &[("host", &wiki.host)]);
    assert_eq!(bare.unwrap_err(), Turned::Cookie);
    let mixed = Known {
        host: wiki.host.clone(),
        cookie: shop.cookie,
    };
    assert_eq!(rig.sends(&mixed, Method::GET, &[]), Err(Turned::Cookie));
    let invitation = rig.gate.invite(&WIKI.parse().unwrap(), NOW).unwrap();
    let address = invitation.address();
    let path = address.strip_prefix(&invitation.origin).unwrap();
    let host = [("host", &*wiki.host)];
    let posted = rig.check((Method::POST, path), &host);
    assert_eq!(posted.unwrap_err(), Turned::Nonce);
    assert!(rig.check((Method::GET, path), &host).is_ok());
    for again in [path, ENTRANCE, "/.well-known/adit-open/x"] {
        let refused = rig.check((Method::GET, again), &host);
        assert_eq!(refused.unwrap_err(), Turned::Nonce, "{again}");
    }
}

#[test]
fn l4_a_foreign_or_rebound_host_is_turned_away_with_the_cookie_too() {
    let rig = rig();
    let wiki = rig.enter(WIKI);
    let label = wiki.host.split('.').next().unwrap();
    for host in [
        "evil.example:24001",
        "127.0.0.1:24001",
        "[::1]:24001",
        "localhost:24001",
        "wiki-aaaaaaaa.localhost:24001",
        label,
        &format!("{label}.localhost"),
        &format!("{label}.localhost:24002"),
        &format!("{label}.evil.example:24001"),
        &format!("{label}.localhost.evil.example:24001"),
        &format!("{label}.localhost:24001@evil.example"),
        &format!("x.{}", wiki.host),
        &wiki.host.to_ascii_uppercase(),
        "",
    ] {
        let headers = [("host", host), ("cookie", &wiki.cookie)];
        let refused = rig.check((Method::GET, "/"), &headers);
        assert_eq!(refused.unwrap_err(), Turned::Host, "{host}");
    }
    let two = [("host", &*wiki.host), ("host", "evil.example")];
    assert_eq!(
        rig.check((Method::GET, "/"), &two).unwrap_err(),
        Turned::Host
    );
    let absolute = (Method::GET, "http://evil.example/");
    let headers = [("host", &*wiki.host), ("cookie", &wiki.cookie)];
    assert_eq!(rig.check(absolute, &headers).unwrap_err(), Turned::Host);
}

#[test]
fn h13_what_a_page_of_another_site_sends_is_turned_away() {
    let rig = rig();
    let (wiki, shop) = (rig.enter(WIKI), rig.enter(SHOP));
    let own = format!("http://{}", wiki.host);
    let sibling = format!("http://{}", shop.host);
    let turned = |method: Method, headers: &[(&str, &str)]| {
        let sent = rig.sends(&wiki, method.clone(), headers);
        assert_eq!(sent, Err(Turned::Elsewhere), "{method} {headers:?}");
    };
    for origin in [
        "http://evil.example",
        &sibling,
        "null",
        "https://x",
        &format!("{own}/"),
    ] {
        turned(Method::POST, &[("origin", origin)]);
        turned(Method::GET, &[("origin", origin)]);
    }
    for site in ["cross-site", "same-site", "anything"] {
        turned(Method::GET, &[("sec-fetch-site", site)]);
        turned(
            Method::GET,
            &[("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")],
        );
        let page = [
            ("sec-fetch-site", site),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert!(rig.sends(&wiki, Method::GET, &page).is_ok(), "a link");
        turned(Method::POST, &page);
        let frame = [page[0], page[1], ("sec-fetch-dest", "iframe")];
        turned(Method::GET, &frame);
    }
    let socket = ("upgrade", "websocket");
    turned(Method::GET, &[socket]);
    turned(Method::GET, &[socket, ("origin", &sibling)]);
    let silent = [
        socket,
        ("origin", "null"),
        ("sec-fetch-site", "same-origin"),
    ];
    turned(Method::GET, &silent);
    assert!(
        rig.sends(&wiki, Method::GET, &[socket, ("origin", &own)])
            .is_ok()
    );
    assert!(rig.sends(&wiki, Method::POST, &[("origin", &own)]).is_ok());
    assert!(rig.sends(&wiki, Method::POST, &silent[1..]).is_ok());
}

#[test]
fn the_agents_cookie_stays_here_and_the_browsers_name_goes_on() {
    let rig = rig();
    let wiki = rig.enter(WIKI);
    let visit = rig.sends(&wiki, Method::GET, &[]).unwrap();
    let uri = format!("http://{}/a%2Fb?c", wiki.host);
    let request = http::Request::get(uri)
        .header(COOKIE, format!("sid=1; {}", wiki.cookie))
        .body(());
    let (mut head, ()) = request.unwrap().into_parts();
    visit.prepare(&mut head).unwrap();
    assert_eq!(head.uri, "/a%2Fb?c");
    assert_eq!(head.headers[HOST], wiki.host);
    assert_eq!(head.headers[COOKIE], "sid=1");
}
