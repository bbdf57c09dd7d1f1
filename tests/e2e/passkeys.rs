//! Several passkeys of one person, in a real browser: added, used and removed.

use std::thread;

use adit_harness::browser::{Authenticator, Desk, Seen};
use adit_harness::stack::{BOUND, Engineer, Stack};
use adit_harness::wait;
use anyhow::{Context, Result};
use serde_json::Value;

/// Ben at a browser with two authenticators: the one that he enrolled with, and a key that nobody knows yet.
struct Ben {
    adit: Engineer,
    desk: Desk,
    key: Authenticator,
}

impl Ben {
    fn enrol(stack: &Stack, self_service: &str) -> Result<Self> {
        let invite = [
            "admin",
            "users",
            "invite",
            "ben@example.org",
            "--groups=engineers",
            "--self-service",
            self_service,
        ];
        let invited = stack.admin.json(&invite)?;
        let invitation = invited["invitation"].as_str().context("an invitation")?;
        let host = stack.network.client();
        let desk = Desk::start_in(host.netns())?;
        let adit = Engineer::new("ben", host)?.with_browser(desk.program());
        desk.attend(BOUND, || adit.enrol(invitation))?;
        let key = desk.browser().plug_in_key()?;
        let ben = Self { adit, desk, key };
        ben.touches_with(&ben.first())?;
        Ok(ben)
    }

    fn first(&self) -> Authenticator {
        self.desk.authenticator().clone()
    }

    fn touches_with(&self, one: &Authenticator) -> Result<()> {
        let browser = self.desk.browser();
        for known in [self.desk.authenticator(), &self.key] {
            browser.is_touched(known, known == one)?;
        }
        Ok(())
    }

    /// Adds the key, with a touch of the first one in the same tab.
    fn adds(&self, name: &str) -> Result<(Value, Vec<Seen>)> {
        let browser = self.desk.browser();
        thread::scope(|scope| {
            let adding = scope.spawn(|| self.adit.json(&["passkeys", "add", name]));
            let attended = || -> Result<Vec<Seen>> {
                self.touches_with(&self.key)?;
                self.desk.look(BOUND)?;
                let mut seen = vec![browser.press(BOUND)?];
                wait::until("the page of the touch", BOUND, || {
                    let kind = browser.script("return document.body.dataset.kind || ''");
                    Ok(kind.is_ok_and(|kind| kind == "touch").then_some(()))
                })?;
                self.touches_with(&self.first())?;
                seen.extend(browser.press_through(BOUND)?);
                Ok(seen)
            };
            let attended = attended();
            let added = adding.join().unwrap()?;
            Ok((added, attended?))
        })
    }

    fn passkeys(&self) -> Result<Vec<Value>> {
        let listed = self.adit.json(&["passkeys", "list"])?;
        Ok(listed.as_array().context("a list")?.clone())
    }
}

#[test]
fn h15_a_passkey_is_added_in_chromium_signs_in_and_ends_what_rests_on_it_when_it_is_removed() {
    let stack = Stack::start().unwrap();
    let ben = Ben::enrol(&stack, "yes").unwrap();
    let (added, seen) = ben.adds("blue key").unwrap();
    let kinds: Vec<_> = seen.iter().map(|seen| seen.kind.as_str()).collect();
    assert_eq!(kinds, ["register", "touch"]);
    assert_eq!(
        ben.desk.opened().unwrap(),
        2,
        "one tab for both, after that of the enrolment"
    );
    let id = added["passkey"]["id"].as_str().unwrap().to_owned();
    let passkeys = ben.passkeys().unwrap();
    assert_eq!(passkeys.len(), 2);
    assert!(passkeys.iter().all(|it| it.get("cose_key").is_none()));

    // The new key alone signs in.
    ben.adit.ok(&["logout"]).unwrap();
    ben.touches_with(&ben.key).unwrap();
    ben.desk.attend(BOUND, || ben.adit.ok(&["login"])).unwrap();
    let passkeys = ben.passkeys().unwrap();
    let by = |signed_in: bool| passkeys.iter().find(|it| it["signed_in"] == signed_in);
    assert_eq!(by(true).unwrap()["name"], "blue key");
    let first = by(false).unwrap()["id"].as_str().unwrap().to_owned();
    let kubectl = ben.adit.kubectl("prod").unwrap();
    let mut watch = kubectl
        .launch(&["get", "configmaps", "--watch", "--output=name"])
        .spawn()
        .unwrap();
    watch.until_line("kube-root-ca.crt", BOUND).unwrap();

    // Removed with a touch of the other one, it ends the sign-in, the session and the watch.
    ben.touches_with(&ben.first()).unwrap();
    let remove = || ben.adit.run(&["passkeys", "remove", "blue key"]);
    let (removed, _) = ben.desk.attend(BOUND, remove).unwrap();
    assert_eq!(removed.code, Some(0), "{}", removed.stderr);
    assert!(removed.stderr.contains(&id), "{}", removed.stderr);
    watch.finish(BOUND).unwrap();
    let refused = ben.adit.run(&["sessions"]).unwrap();
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);

    // The other one signs in again, and is the last.
    ben.desk.attend(BOUND, || ben.adit.ok(&["login"])).unwrap();
    kubectl.ok(&["get", "configmaps"]).unwrap();
    let last = ben.adit.run(&["passkeys", "remove", &first]).unwrap();
    assert_eq!(last.code, Some(4), "{}", last.stderr);
    assert!(last.stderr.contains("only passkey"), "{}", last.stderr);
}

#[test]
fn an_admin_says_who_adds_passkeys_and_removes_the_first_of_his_own() {
    let stack = Stack::start().unwrap();
    let ben = Ben::enrol(&stack, "no").unwrap();
    let refused = ben.adit.run(&["passkeys", "add", "blue key"]).unwrap();
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("--self-service"),
        "{}",
        refused.stderr
    );
    let set = [
        "admin",
        "users",
        "set",
        "ben@example.org",
        "--self-service",
        "yes",
    ];
    stack.admin.ok(&set).unwrap();
    ben.adds("blue key").unwrap();

    // Clients follow an admin who signs with a passkey that he added; so does whoever enrols then.
    let admin = &stack.admin;
    let before = admin.json(&["passkeys", "list"]).unwrap();
    let first = before[0]["id"].as_str().unwrap().to_owned();
    admin.ok(&["passkeys", "add", "spare"]).unwrap();
    admin.ok(&["passkeys", "remove", &first]).unwrap();
    let signed_out = admin.run(&["admin", "users", "list"]).unwrap();
    assert_eq!(signed_out.code, Some(3), "{}", signed_out.stderr);
    admin.ok(&["login"]).unwrap();
    let cleo = stack.engineer("cleo@example.org").unwrap();
    cleo.kubectl("prod")
        .unwrap()
        .ok(&["get", "configmaps"])
        .unwrap();
    let kubectl = ben.adit.kubectl("prod").unwrap();
    kubectl.ok(&["get", "configmaps"]).unwrap();
}
