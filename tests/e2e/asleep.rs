//! F12: a client that sleeps for longer than its sessions live without it, and for longer than its sign-in.

use std::time::Duration;

use adit_harness::built::Build;
use adit_harness::process::send;
use adit_harness::stack::{BOUND, Engineer};
use adit_harness::wait;
use rustix::process::Signal;
use tokio::time::Instant;

use crate::busy::Stage;

/// Life of a sign-in here: long enough for a busy machine to begin and to wake up once within it.
const SIGN_IN: Duration = Duration::from_secs(40);

#[test]
fn f12_who_slept_hears_why_his_streams_ended_goes_on_and_signs_in_when_his_sign_in_is_over() {
    let lives = format!(
        "[lives]\nlease_s = 4\nsession_idle_s = 10\nsign_in_s = {}\n",
        SIGN_IN.as_secs()
    );
    let stage = Stage::with(&lives, Build::default()).unwrap();
    stage.ben.ok(&["login"]).unwrap();
    let signed_in = Instant::now();
    let kubectl = stage.ben.kubectl("prod").unwrap();
    kubectl.ok(&["get", "namespaces"]).unwrap();
    let forward = stage.forward().unwrap();
    let sessions = stage.sessions().unwrap();

    let agent = Asleep::fall(&stage.ben);
    for session in &sessions {
        let over = |line: &str| line.contains(session) && line.contains("a session ended");
        let seen = wait::until("the end of a session at the connector", BOUND, || {
            Ok(stage.stack.connector.log().lines().any(over).then_some(()))
        });
        stage.shown(seen);
    }
    agent.wake_up();
    let said = forward.cut_off(BOUND).unwrap();
    assert!(said.contains("echo"), "{said}");
    let next = kubectl.ok(&["get", "namespaces"]);
    stage.shown(next);
    stage.forward().unwrap().whole().unwrap();

    let agent = Asleep::fall(&stage.ben);
    // The fault is the end of the sign-in.
    wait::last(SIGN_IN.saturating_sub(signed_in.elapsed()));
    agent.wake_up();
    let asked = kubectl.run(&["get", "namespaces"]).unwrap();
    assert_ne!(asked.code, Some(0), "{}", asked.stdout);
    assert!(asked.stderr.contains("adit login"), "{}", asked.stderr);
    stage.ben.ok(&["login"]).unwrap();
    let next = kubectl.ok(&["get", "namespaces"]);
    stage.shown(next);
}

/// An agent that does nothing.
struct Asleep(u32);

impl Asleep {
    fn fall(engineer: &Engineer) -> Self {
        let id = engineer.agent_id().unwrap();
        send(id, Signal::STOP).unwrap();
        Self(id)
    }

    fn wake_up(self) {
        send(self.0, Signal::CONT).unwrap();
    }
}
