//! The secret of an invitation is searched for wherever somebody else could see it.

mod secret;
mod watcher;

use adit_harness::browser::Desk;
use adit_harness::stack::{BOUND, Engineer, Stack};
use anyhow::{Context, Result};
use secret::Canary;
use serde_json::Value;
use watcher::{Capture, CommandLines};

use crate::joined;

#[test]
fn j3_an_invitation_is_nowhere_but_where_it_is_handed_over() {
    let lines = CommandLines::watch();
    let stack = Stack::start().unwrap();
    let invitation = hand_out(&stack).unwrap();
    let canary = Canary::of(&invitation).unwrap();
    let capture = Capture::start(stack.network.client().netns()).unwrap();
    use_it(&stack, &invitation);

    let events = joined::events(&stack).unwrap();
    let enrolments = events.iter().filter(|event| event["kind"] == "enrolment");
    assert!(enrolments.count() >= 3, "two successes and the refusal");
    let events = serde_json::to_vec(&events).unwrap();
    assert_eq!(canary.sings_in(&events), None);
    let traffic = capture.stop().unwrap();
    for written in [
        "POST /ceremony/",
        "attestationObject",
        "GET /callback?code=",
    ] {
        let seen = traffic
            .windows(written.len())
            .any(|it| it == written.as_bytes());
        assert!(seen, "the capture has no {written}");
    }
    assert_eq!(canary.sings_in(&traffic), None);
    let lines = lines.stop();
    assert!(lines.iter().any(|line| line.ends_with(b"adit\0enrol\0")));
    for line in lines {
        let text = String::from_utf8_lossy(&line);
        assert_eq!(canary.sings_in(&line), None, "{text}");
    }
    // Every file that anything here wrote: state, logs, outputs, databases, spools, the browser's profile.
    let places = canary.places().unwrap();
    let handed_over = ["handed-out/stdout", "pasted/stdin", "pasted/stdin"];
    assert_eq!(places, handed_over);
}

/// The invitation as the admin's command prints it.
fn hand_out(stack: &Stack) -> Result<String> {
    let invite = ["admin", "users", "invite", "ben@example.org", "--json"];
    let printed = stack
        .admin
        .adit(&invite)
        .args(["--groups", "engineers"])
        .named("handed-out")
        .run()?
        .ok()?;
    let printed: Value = serde_json::from_str(&printed)?;
    let text = printed["invitation"].as_str().context("an invitation")?;
    Ok(text.to_owned())
}

/// Its whole life: pasted at the prompt, the passkey made in a browser, kubectl, refused a second time, its user revoked.
fn use_it(stack: &Stack, invitation: &str) {
    let paste = |engineer: &Engineer| {
        let prompt = engineer.adit(&["enrol"]).on_terminal().named("pasted");
        prompt.input(format!("{invitation}\n")).run()
    };
    let desk = Desk::start_in(stack.network.client().netns()).unwrap();
    let ben = Engineer::new("ben", stack.network.client()).unwrap();
    let ben = ben.with_browser(desk.program());
    let (enrolled, _) = desk.attend(BOUND, || paste(&ben)).unwrap();
    assert_eq!(enrolled.code, Some(0), "{}", enrolled.stderr);
    let kubectl = ben.kubectl("prod").unwrap();
    kubectl.ok(&["get", "namespaces"]).unwrap();
    let again = Engineer::new("again", stack.network.client()).unwrap();
    let refused = paste(&again).unwrap();
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    stack.admin.revoke("ben@example.org").unwrap();
}
