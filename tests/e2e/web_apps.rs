//! `adit open`: two web applications in one Chromium, and who tries to get at them.

mod application;
mod identity;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use adit_harness::browser::Desk;
use adit_harness::netns::{Host, Network};
use adit_harness::stack::{BOUND, ENGINEERS_VIEW, Engineer, GatewayOptions, Stack};
use adit_harness::wait;
use adit_proto::key::PublicKey;
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use application::Application;

/// An engineer with a browser, and two applications.
struct Scene {
    desk: Desk,
    ben: Engineer,
    wiki: Application,
    shop: Application,
    stack: Stack,
}

impl Scene {
    fn set() -> Result<Self> {
        let network = Network::new()?;
        let wiki = Application::serve("wiki", network.cluster())?;
        let shop = Application::serve("shop", network.cluster())?;
        let options = GatewayOptions::default();
        let stack = Stack::on(network, &options, ENGINEERS_VIEW, |connector| {
            connector
                .with_application("wiki", &wiki.address())?
                .with_application("shop", &shop.address())?
                .with_service("raw", &shop.address())
        })?;
        let cluster = cluster_key(&stack)?;
        wiki.trust(cluster.clone());
        shop.trust(cluster);
        let desk = Desk::start_in(stack.network.client().netns())?;
        let ben = stack
            .engineer("ben@example.org")?
            .with_browser(desk.program());
        Ok(Self {
            desk,
            ben,
            wiki,
            shop,
            stack,
        })
    }

    /// Runs `adit open` and follows it in the browser; returns the application's origin.
    fn open(&self, name: &str) -> Result<String> {
        let mut opening = self.ben.adit(&["open", name]).spawn()?;
        opening.until_line("in the browser", BOUND)?;
        self.desk.look(BOUND)?;
        let printed = opening.finish(BOUND)?.ok()?;
        self.shows(name.rsplit('/').next().unwrap_or(name))?;
        Ok(printed.trim().to_owned())
    }

    /// Waits for the page of an application.
    fn shows(&self, name: &str) -> Result<()> {
        wait::until("an application's page", BOUND, || {
            let heading = self.desk.browser().text("h1").ok();
            Ok(heading.filter(|text| text == name).map(drop))
        })
    }

    fn script(&self, script: &str) -> Value {
        let ran = self.desk.browser().script(script);
        ran.with_context(|| format!("{script}\n{}", self.ben.agent_log()))
            .unwrap()
    }

    /// What the application says that the page is in says of a request of that page.
    fn who(&self) -> Value {
        self.script("return fetch('/who').then((answer) => answer.json())")
    }

    /// What becomes of what the page that is open sends to the application at `wiki`, which is another's.
    fn tried(&self, wiki: &str) -> Value {
        self.script(&format!(
            "const sent = (options) => fetch('{wiki}/write', options).then(
               (answer) => answer.type, () => 'refused');
             const socket = () => new Promise((done) => {{
               const socket = new WebSocket('{wiki}/socket'.replace('http', 'ws'));
               socket.onopen = () => done('open');
               socket.onerror = () => done('refused');
             }});
             return (async () => [
               await sent({{credentials: 'include'}}),
               await sent({{method: 'POST', credentials: 'include'}}),
               await sent({{method: 'POST', mode: 'no-cors', credentials: 'include'}}),
               await sent({{mode: 'no-cors', credentials: 'include'}}),
               await socket(),
             ])()"
        ))
    }

    /// The first address of the newest page that was opened.
    fn first_address(&self) -> Result<String> {
        let folder = self.desk.program().parent().context("a folder")?;
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            files.push(entry?.path());
        }
        files.retain(|path| path.extension().is_some_and(|it| it == "html"));
        let redirect = std::fs::read_to_string(files.iter().max().context("a page")?)?;
        let address = redirect.split("href=\"").nth(1).context("an address")?;
        Ok(address.split('"').next().unwrap_or_default().to_owned())
    }

    fn client(&self) -> &Host {
        self.stack.network.client()
    }

    /// What an answer at the agent's port begins with.
    fn answered(&self, origin: &str, request: &str) -> Result<String> {
        let address = origin.rsplit(':').next().context("a port")?;
        let address = format!("127.0.0.1:{address}");
        let mut stream = self
            .client()
            .netns()
            .enter(|| TcpStream::connect(address))??;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

/// The key that an admin gives to an application's owner.
fn cluster_key(stack: &Stack) -> Result<PublicKey> {
    let pem = stack.admin.ok(&["admin", "clusters", "key", "prod"])?;
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    Ok(PublicKey::from_spki(
        &STANDARD.decode(lines.collect::<String>())?,
    )?)
}

fn host(origin: &str) -> &str {
    origin.strip_prefix("http://").unwrap()
}

/// A request of a program that is no browser.
fn get(origin: &str, path: &str, headers: &str) -> String {
    let host = host(origin);
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n")
}

#[test]
fn two_applications_in_one_browser_share_nothing_and_know_their_user() {
    let scene = Scene::set().unwrap();
    let wiki = scene.open("wiki").unwrap();
    let name = host(&wiki).strip_prefix("wiki-").unwrap();
    assert_eq!(name.find(".localhost:"), Some(8), "{wiki}");
    let who = scene.who();
    let wanted = json!({"name": "wiki", "user": "ben@example.org", "host": scene.wiki.address(),
        "cookie": "", "origin": ""});
    assert_eq!(who, wanted, "no cookie of the agent's either");

    // A cookie with a domain, and a redirect by the application's own name.
    let login = "return fetch('/login', {method: 'POST'}).then(async (answer) => ({url: answer.url, who: await answer.json()}))";
    let answer = scene.script(login);
    assert_eq!(answer["url"], format!("{wiki}/who"));
    assert_eq!(answer["who"]["cookie"], "sid=wiki");
    scene.script("localStorage.setItem('of', 'wiki'); document.cookie = 'seen=wiki'");

    let shop = scene.open("prod/shop").unwrap();
    assert_ne!(
        host(&shop).split_once('.').unwrap().0,
        host(&wiki).split_once('.').unwrap().0
    );
    let (cookie, stored) = (&scene.who()["cookie"], "return localStorage.getItem('of')");
    assert_eq!((cookie, scene.script(stored)), (&json!(""), Value::Null));
    scene.desk.browser().open(&wiki).unwrap();
    assert_eq!(scene.script(stored), "wiki");
    let both = scene.who()["cookie"].as_str().unwrap().to_owned();
    assert!(
        both.contains("sid=wiki") && both.contains("seen=wiki"),
        "{both}"
    );
    assert!(!both.contains("adit-"), "{both}");

    // A token for one application is good for no other.
    let cluster = cluster_key(&scene.stack).unwrap();
    let token = scene.wiki.token();
    assert!(identity::verify(&token, &cluster, "service/prod/wiki").is_ok());
    assert!(identity::verify(&token, &cluster, "service/prod/shop").is_err());

    assert_eq!(scene.open("wiki").unwrap(), wiki, "the name is kept");
    let audit = scene.stack.admin.json(&["admin", "audit", "list"]).unwrap();
    let streams = audit["events"].as_array().unwrap().iter();
    let intents = streams
        .filter(|event| event["kind"] == "stream_intent" && event.to_string().contains("wiki"));
    assert!(intents.count() > 1, "{audit}");
}

#[test]
fn web_sockets_and_events_come_through_and_a_revocation_ends_them() {
    let scene = Scene::set().unwrap();
    scene.open("wiki").unwrap();
    let said = scene.script(
        "return new Promise((done) => {
           const socket = window.socket = new WebSocket(`ws://${location.host}/socket`);
           socket.onopen = () => socket.send('hello');
           socket.onmessage = (message) => done(message.data);
           socket.onerror = () => done('error');
           socket.onclose = () => { window.over = true; };
         })",
    );
    assert_eq!(said, "wiki: hello");
    let event = scene.script(
        "return new Promise((done) => {
           const events = window.events = new EventSource('/events');
           events.onmessage = (event) => done(event.data);
         })",
    );
    assert_eq!(event, "wiki");
    assert_eq!(scene.script("return window.over === true"), false);
    let admin = &scene.stack.admin;
    let revoke = [
        "admin",
        "users",
        "revoke",
        "ben@example.org",
        "--reason",
        "test",
    ];
    admin.ok(&revoke).unwrap();
    // Far below the lease: only the revocation can end it by then.
    wait::until("the end of the WebSocket", Duration::from_secs(20), || {
        let closed = scene.desk.browser().script("return window.over === true")?;
        Ok((closed == true).then_some(()))
    })
    .unwrap();
    let status = scene.script("return fetch('/who').then((answer) => answer.status)");
    assert!(status.as_u64().unwrap() >= 400, "{status}");
}

#[test]
fn h13_l4_a_page_of_another_site_cannot_reach_an_application() {
    let scene = Scene::set().unwrap();
    let wiki = scene.open("wiki").unwrap();
    let shop = scene.open("shop").unwrap();
    let evil = serve_empty_page(scene.client()).unwrap();
    // Another application, and a page of somebody else.
    for page in [&shop, &evil] {
        scene.desk.browser().open(page).unwrap();
        let tried = scene.tried(&wiki);
        // Without CORS a page is told nothing of an answer; what counts is that nothing was written.
        let wanted = json!(["refused", "refused", "opaque", "opaque", "refused"]);
        assert_eq!(tried, wanted, "{page}");
        let form = format!(
            "const form = document.createElement('form');
             form.method = 'post'; form.action = '{wiki}/write'; document.body.append(form); form.submit();"
        );
        scene.script(&form);
        let refused = wait::until("the answer to a form", BOUND, || {
            let there = scene.desk.browser().address()?.starts_with(&wiki);
            Ok(if there {
                scene.desk.browser().text("p").ok()
            } else {
                None
            })
        });
        let refused = refused.unwrap();
        assert!(
            refused.contains("not let in") || refused.contains("another site"),
            "{refused}"
        );
    }
    assert_eq!(scene.wiki.writes(), 0);
    // A link is followed.
    scene.desk.browser().open(&evil).unwrap();
    scene.script(&format!(
        "const link = document.createElement('a'); link.href = '{wiki}'; document.body.append(link); link.click()"
    ));
    scene.shows("wiki").unwrap();
    scene.script("return fetch('/write', {method: 'POST'}).then(() => 0)");
    assert_eq!(scene.wiki.writes(), 1);
}

#[test]
fn l3_another_user_gets_403_and_nobody_says_who_they_are() {
    let scene = Scene::set().unwrap();
    let wiki = scene.open("wiki").unwrap();
    // The first address, once more.
    let first = scene.first_address().unwrap();
    let spent = first.strip_prefix(&wiki).unwrap();
    assert!(spent.starts_with("/.well-known/adit-open/"), "{first}");
    let port = wiki.rsplit(':').next().unwrap();
    for path in ["/", "/who", spent] {
        let script =
            format!("exec 3<>/dev/tcp/127.0.0.1/{port}; printf '%s' \"$REQUEST\" >&3; cat <&3");
        let stranger = scene.client().netns().launch("bash").as_user("daemon");
        let stranger = stranger
            .args(["-c", &script])
            .env("REQUEST", get(&wiki, path, ""));
        let answer = stranger.run().unwrap().ok().unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 "), "{path}: {answer}");
    }
    // Whoever has the cookie is this user; yet says nothing in the connector's name, and comes by no other name.
    let cookies = scene
        .desk
        .browser()
        .devtools("Network.getCookies", json!({"urls": [wiki]}))
        .unwrap();
    let cookies = cookies["cookies"].as_array().unwrap().iter();
    let ours: Vec<_> = cookies
        .filter(|cookie| cookie["name"] == "adit-visitor")
        .collect();
    let [ours] = ours[..] else {
        panic!("{ours:?}");
    };
    let flags = (&ours["httpOnly"], &ours["sameSite"], &ours["domain"]);
    let wanted = (
        &json!(true),
        &json!("Lax"),
        &json!(host(&wiki).split(':').next()),
    );
    assert_eq!(flags, wanted);
    let cookie = format!(
        "Cookie: adit-visitor={}\r\n",
        ours["value"].as_str().unwrap()
    );
    let answered =
        |headers: &str| scene.answered(&wiki, &get(&wiki, "/who", &(cookie.clone() + headers)));
    let plain = answered("").unwrap();
    assert!(plain.contains("ben@example.org"), "{plain}");
    assert!(!plain.contains("adit-visitor"), "{plain}");
    for header in ["Adit-Identity: forged\r\n", "adit_identity: forged\r\n"] {
        let refused = answered(header).unwrap();
        assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
        assert!(refused.contains("impersonation_refused"), "{refused}");
    }
    let foreign = get(&format!("http://evil.example:{port}"), "/who", &cookie);
    let refused = scene.answered(&wiki, &foreign).unwrap();
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
}

#[test]
fn a_service_of_another_kind_is_named_and_raw_bytes_reach_no_application() {
    let scene = Scene::set().unwrap();
    let refused = scene.ben.run(&["open", "raw"]).unwrap();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("adit forward raw"),
        "{}",
        refused.stderr
    );
    let sent = "GET /write HTTP/1.1\r\nHost: x\r\nAdit-Identity: forged\r\n\r\n";
    let connected = scene
        .ben
        .adit(&["connect", "wiki"])
        .input(sent)
        .run()
        .unwrap();
    assert_eq!(connected.stdout, "", "{}", connected.stderr);
    assert_eq!((scene.wiki.writes(), scene.shop.writes()), (0, 0));
}

/// A site of somebody else on this host; returns its origin.
fn serve_empty_page(host: &Host) -> Result<String> {
    let listener = host.netns().enter(|| TcpListener::bind("127.0.0.1:0"))??;
    let origin = format!("http://{}", listener.local_addr()?);
    ensure!(origin.starts_with("http://127.0.0.1:"), "{origin}");
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let page = "<!doctype html><title>x</title><body></body>";
            let length = page.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{page}"
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    Ok(origin)
}
