//! kubectl by somebody who is not signed in.

use adit_harness::browser::Desk;
use adit_harness::process::{Finished, Process};
use adit_harness::stack::{BOUND, Engineer, Stack};
use anyhow::Result;

/// How many commands start at once.
const AT_ONCE: usize = 40;
/// What each says before it waits for the person.
const COMPARE: &str = "Compare the code: ";

/// Ben at a browser, enrolled and signed out.
fn signed_out() -> Result<(Stack, Desk, Engineer)> {
    let stack = Stack::start()?;
    let desk = Desk::start_in(stack.network.client().netns())?;
    let ben = Engineer::new("ben", stack.network.client())?.with_browser(desk.program());
    let invitation = stack.admin.invite("ben@example.org", &["engineers"])?;
    desk.attend(BOUND, || ben.enrol(&invitation))?;
    ben.kubectl("prod")?;
    ben.ok(&["logout"])?;
    Ok((stack, desk, ben))
}

fn waits(process: &mut Process) -> String {
    let line = process.until_line(COMPARE, 2 * BOUND).unwrap();
    line.rsplit(COMPARE).next().unwrap_or_default().to_owned()
}

fn answered(finished: &Finished) {
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(
        finished.stdout.contains("kube-system"),
        "{}",
        finished.stdout
    );
    let said = "You are not signed in.";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
    assert!(!finished.stdout.contains(said), "{}", finished.stdout);
}

#[test]
fn kubectl_while_signed_out_opens_one_sign_in_and_goes_on() {
    let (_stack, desk, ben) = signed_out().unwrap();
    let kubectl = ben.kubectl_as_written().unwrap();
    let get = ["get", "namespaces"];
    let before = desk.opened().unwrap();

    let without_terminal = kubectl.run(&get).unwrap();
    assert_ne!(without_terminal.code, Some(0));
    let stderr = &without_terminal.stderr;
    assert!(stderr.contains("adit login"), "{stderr}");
    assert_eq!(
        desk.opened().unwrap(),
        before,
        "nobody is there to look at a page"
    );

    let mut one = kubectl.launch(&get).on_terminal().spawn().unwrap();
    let code = waits(&mut one);
    let seen = desk.answer(BOUND).unwrap();
    assert_eq!(seen[0].code, code);
    answered(&one.finish(BOUND).unwrap());
    assert_eq!(desk.opened().unwrap(), before + 1);

    ben.ok(&["logout"]).unwrap();
    let launch = kubectl.launch(&get).on_terminal();
    let mut all: Vec<_> = (0..AT_ONCE).map(|_| launch.spawn().unwrap()).collect();
    let mut codes: Vec<_> = all.iter_mut().map(waits).collect();
    codes.dedup();
    assert_eq!(codes.len(), 1, "all wait for the same sign-in");
    let seen = desk.answer(BOUND).unwrap();
    assert_eq!(seen[0].code, codes[0]);
    for process in all {
        answered(&process.finish(2 * BOUND).unwrap());
    }
    assert_eq!(desk.opened().unwrap(), before + 2, "one sign-in for all");
}
