//! Enrolments that are cut off before their statement leave nothing, and the invitation works afterwards.

use adit_harness::browser::Desk;
use adit_harness::netns::Network;
use adit_harness::process::{Process, send};
use adit_harness::stack::{BOUND, ENGINEERS_VIEW, Engineer, Gateway, GatewayOptions, Stack};
use adit_harness::wait;
use anyhow::{Context, Result};
use rustix::process::Signal;

const NAME: &str = "ben@example.org";
/// What the terminal says once the page was asked for.
const PAGE: &str = "Make a passkey for";

/// Goes so far with an enrolment.
type Step = fn(&Invited) -> Result<Process>;

/// Ben at a browser, with an invitation that nobody used, and how long the roster is.
struct Invited {
    stack: Stack,
    desk: Desk,
    ben: Engineer,
    invitation: String,
    statements: usize,
}

impl Invited {
    /// With ceremonies that live for so many seconds.
    fn new(ceremony_s: u64) -> Result<Self> {
        let network = Network::new()?;
        let options = GatewayOptions {
            extra: format!("[lives]\nceremony_s = {ceremony_s}"),
            ..GatewayOptions::default()
        };
        let gateway = Gateway::start(network.gateway(), &options)?;
        gateway.reach(network.client())?;
        let admin = Engineer::new("admin", network.client())?;
        let stack = Stack::assemble(network, gateway, admin, ENGINEERS_VIEW, Ok)?;
        let invitation = stack.admin.invite(NAME, &["engineers"])?;
        let desk = Desk::start_in(stack.network.client().netns())?;
        let ben = Engineer::new("ben", stack.network.client())?.with_browser(desk.program());
        let statements = statements(&stack)?;
        Ok(Self {
            stack,
            desk,
            ben,
            invitation,
            statements,
        })
    }

    fn begin(&self) -> Result<Process> {
        self.ben.enrolment(&self.invitation)?.spawn()
    }

    /// Begins and goes on until the page is in the browser.
    fn at_the_page(&self) -> Result<Process> {
        let mut enrol = self.begin()?;
        enrol.until_line(PAGE, BOUND)?;
        self.desk.look(BOUND)?;
        Ok(enrol)
    }

    /// Nothing is in the roster, and nobody is enrolled here.
    fn left_nothing(&self, when: &str) {
        assert_eq!(statements(&self.stack).unwrap(), self.statements, "{when}");
        let devices = self
            .stack
            .admin
            .json(&["admin", "devices", "list"])
            .unwrap();
        let devices = devices["devices"].as_array().unwrap();
        let his = devices.iter().filter(|device| device["owner_name"] == NAME);
        assert_eq!(his.count(), 0, "{when}");
        assert_ne!(self.ben.run(&["whoami"]).unwrap().code, Some(0), "{when}");
    }

    /// The same invitation on the same machine still enrols.
    fn still_enrols(&self) {
        let enrol = || self.ben.enrolment(&self.invitation)?.run();
        let (enrolled, _) = self.desk.attend(BOUND, enrol).unwrap();
        assert_eq!(enrolled.code, Some(0), "{}", enrolled.stderr);
        assert_eq!(statements(&self.stack).unwrap(), self.statements + 1);
        let whoami = self.ben.ok(&["whoami"]).unwrap();
        assert!(whoami.contains(NAME), "{whoami}");
    }

    fn page_says(&self, what: &str, text: &str) {
        wait::until(what, BOUND, || {
            let status = self.desk.browser().text("#status")?;
            Ok(status.contains(text).then_some(()))
        })
        .unwrap();
    }
}

fn statements(stack: &Stack) -> Result<usize> {
    let log = stack.admin.json(&["admin", "roster"])?;
    let statements = log["statements"].as_array().context("statements")?;
    Ok(statements.len())
}

#[test]
fn f5_enrolment_killed_anywhere_before_its_statement_leaves_nothing() {
    let invited = Invited::new(300).unwrap();

    // It has a key and knocks at a gateway that does not answer.
    let gateway = invited.stack.gateway.id().unwrap();
    send(gateway, Signal::STOP).unwrap();
    let mut enrol = invited.begin().unwrap();
    let key = invited.ben.folder().join("state/adit/default/device.key");
    let staged = || Ok(key.exists().then_some(()));
    wait::until("the staged key", BOUND, staged).unwrap();
    enrol.kill().unwrap();
    send(gateway, Signal::CONT).unwrap();
    invited.left_nothing("knocking");

    // The page is opened and nobody has looked at it.
    let mut enrol = invited.begin().unwrap();
    enrol.until_line(PAGE, BOUND).unwrap();
    enrol.kill().unwrap();
    invited.desk.look(BOUND).unwrap();
    invited.left_nothing("the page was opened");

    // The page is shown, and answered when nobody waits for it any more.
    let mut enrol = invited.at_the_page().unwrap();
    enrol.kill().unwrap();
    invited.desk.browser().press(BOUND).unwrap();
    invited.page_says("the end of the page", "the terminal did not go on");
    invited.left_nothing("the page was shown");

    // The passkey is made, and it is the client's turn at the roster.
    let mut enrol = invited.at_the_page().unwrap();
    enrol.signal(Signal::STOP).unwrap();
    invited.desk.browser().press(BOUND).unwrap();
    invited.page_says("the passkey", "Waiting for your terminal");
    enrol.kill().unwrap();
    invited.page_says("the end of the page", "the terminal did not go on");
    invited.left_nothing("the passkey was made");

    invited.still_enrols();
}

#[test]
fn f5_enrolment_whose_gateway_is_killed_before_its_statement_says_so_and_leaves_nothing() {
    let mut invited = Invited::new(300).unwrap();

    // The passkey is made, and the client has not heard of it.
    let made = |invited: &Invited| {
        let enrol = invited.at_the_page()?;
        enrol.signal(Signal::STOP)?;
        invited.desk.browser().press(BOUND)?;
        invited.page_says("the passkey", "Waiting for your terminal");
        Ok(enrol)
    };
    let steps: [(&str, Step); 2] = [
        ("the page was shown", Invited::at_the_page),
        ("the passkey was made", made),
    ];
    for (when, step) in steps {
        let enrol = step(&invited).unwrap();
        invited.stack.gateway.kill().unwrap();
        enrol.signal(Signal::CONT).unwrap();
        let ended = enrol.finish(BOUND).unwrap();
        assert_ne!(ended.code, Some(0), "{when}");
        let said = &ended.stderr;
        assert!(
            said.contains("the invitation still works"),
            "{when}: {said}"
        );
        invited.stack.gateway.run().unwrap();
        let admin = &invited.stack.admin;
        wait::until("the admin's agent at the gateway", BOUND, || {
            Ok((admin.run(&["clusters"])?.code == Some(0)).then_some(()))
        })
        .unwrap();
        invited.left_nothing(when);
    }
    invited.still_enrols();
}

#[test]
fn f55_enrolment_whose_page_nobody_answers_ends_at_its_deadline_and_says_so() {
    let invited = Invited::new(10).unwrap();

    let enrol = invited.at_the_page().unwrap();
    enrol.signal(Signal::INT).unwrap();
    assert_eq!(enrol.finish(BOUND).unwrap().code, Some(130));
    invited.left_nothing("interrupted");

    // The person's finger is refused, and the tab is closed.
    let enrol = invited.at_the_page().unwrap();
    let (browser, authenticator) = (invited.desk.browser(), invited.desk.authenticator());
    browser.verifies_user(authenticator, false).unwrap();
    browser.press(BOUND).unwrap();
    invited.page_says("the refusal", "The passkey was not used. Try again");
    browser.open("about:blank").unwrap();
    let ended = enrol.finish(BOUND).unwrap();
    assert_ne!(ended.code, Some(0));
    let said = &ended.stderr;
    assert!(said.contains("nobody answered in time"), "{said}");
    assert!(said.contains("the invitation still works"), "{said}");
    invited.left_nothing("nobody answered");

    browser.verifies_user(authenticator, true).unwrap();
    invited.still_enrols();
}
