//! A machine without a browser: its sign-in is answered on another one, by who reads its terminal.

use adit_harness::browser::Desk;
use adit_harness::process::Process;
use adit_harness::stack::{BOUND, Engineer, Stack};
use anyhow::{Context, Result};

/// What the terminal says before it waits: the address, and the code.
fn said(login: &mut Process) -> Result<(String, String)> {
    let last = |line: String| {
        let word = line.rsplit(' ').next().unwrap_or_default();
        word.trim().to_owned()
    };
    let address = last(login.until_line("Open this address", BOUND)?);
    let code = last(login.until_line("Type this code", BOUND)?);
    Ok((address, code))
}

#[test]
fn a_code_typed_on_another_machine_signs_in_for_an_hour_at_most() {
    let mut stack = Stack::start().unwrap();
    let laptop = Desk::start_in(stack.network.client().netns()).unwrap();
    let invitation = stack
        .admin
        .invite("ben@example.org", &["engineers"])
        .unwrap();
    let ben = Engineer::new("ben", stack.network.client())
        .unwrap()
        .with_browser(laptop.program());
    laptop.attend(BOUND, || ben.enrol(&invitation)).unwrap();
    ben.ok(&["logout"]).unwrap();

    // The same key, at another machine's browser.
    let elsewhere = stack.network.add("elsewhere").unwrap();
    stack.gateway.reach(&elsewhere).unwrap();
    let other = Desk::start_in(elsewhere.netns()).unwrap();
    let held = laptop
        .browser()
        .credentials(laptop.authenticator())
        .unwrap();
    other
        .browser()
        .carry(other.authenticator(), &held[0])
        .unwrap();

    let opened = laptop.opened().unwrap();
    let mut login = ben.adit(&["login", "--headless"]).spawn().unwrap();
    let (address, code) = said(&mut login).unwrap();
    other.browser().open(&address).unwrap();
    let shown = other.browser().text("main").unwrap();
    assert!(!shown.contains(&code), "{shown}");
    other
        .browser()
        .type_code(&code.to_lowercase(), BOUND)
        .unwrap();
    let seen = other.browser().press_through(BOUND).unwrap();
    assert_eq!(
        (seen[0].kind.as_str(), seen[0].owner.as_str()),
        ("sign-in", "ben@example.org")
    );
    let ended = login.finish(BOUND).unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        laptop.opened().unwrap(),
        opened,
        "nothing is opened where the command runs"
    );

    let who = ben.json(&["whoami"]).unwrap();
    assert_eq!(who["sign_in"]["headless"], true);
    let left = life_of(&who).unwrap();
    assert!((3_000_000..=3_600_000).contains(&left), "{left}");
    ben.kubectl("prod")
        .unwrap()
        .ok(&["get", "configmaps"])
        .unwrap();
    let events = stack.admin.json(&["admin", "audit", "list"]).unwrap();
    assert!(
        events.to_string().contains("\"headless\":true"),
        "it is marked in the log"
    );
    a_wrong_code_ends_the_page(&ben, &other);
}

/// And the command says so.
fn a_wrong_code_ends_the_page(ben: &Engineer, other: &Desk) {
    let mut login = ben.adit(&["login", "--headless"]).spawn().unwrap();
    let (address, _) = said(&mut login).unwrap();
    other.browser().open(&address).unwrap();
    other.browser().type_code("000-000", BOUND).unwrap();
    let refused = other
        .browser()
        .press_through(BOUND)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("not the code"), "{refused}");
    let ended = login.finish(BOUND).unwrap();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
}

fn life_of(who: &serde_json::Value) -> Result<u64> {
    let expires = who["sign_in"]["expires_ms"].as_u64().context("an end")?;
    let now = who["gateway"]["now_ms"].as_u64().context("a time")?;
    Ok(expires.saturating_sub(now))
}
