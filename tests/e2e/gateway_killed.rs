//! F1, F6: the gateway is killed. What goes through it pauses and goes on, or ends with the lease.

use std::time::Duration;

use adit_harness::built::Build;
use adit_harness::stack::BOUND;
use adit_harness::wait;

use crate::busy::Stage;

/// A short lease, for the test that waits for its end.
const LEASE: Duration = Duration::from_secs(10);

#[test]
fn f1_busy_watch_and_forward_go_on_whole_when_the_gateway_is_killed_for_2_and_5_seconds() {
    goes_on_when_killed_for(&[2, 5]);
}

#[test]
#[ignore = "long: the gateway is away for 10 seconds"]
fn f1_busy_watch_and_forward_go_on_whole_when_the_gateway_is_killed_for_10_seconds() {
    goes_on_when_killed_for(&[10]);
}

#[test]
fn f6_without_a_gateway_everything_ends_with_the_lease_and_begins_anew_when_it_is_back() {
    let lease = format!("[lives]\nlease_s = {}\n", LEASE.as_secs());
    let mut stage = Stage::with(&lease, Build::default()).unwrap();
    let (watch, forward) = (stage.watch().unwrap(), stage.forward().unwrap());
    let sessions = stage.sessions().unwrap();
    stage.stack.gateway.kill().unwrap();
    for session in &sessions {
        let ended = |line: &str| line.contains(session) && line.contains("lease_expired");
        let seen = wait::until("the end of the lease at the connector", LEASE * 3, || {
            Ok(stage.stack.connector.log().lines().any(ended).then_some(()))
        });
        stage.shown(seen);
    }
    stage.stack.gateway.run().unwrap();
    watch.ended(BOUND).unwrap();
    let said = forward.cut_off(BOUND).unwrap();
    // What the gateway says first, to which the connector comes back without the session.
    let reasons = ["lease_expired", "target_offline"];
    let told = reasons.iter().any(|reason| said.contains(reason));
    assert!(told, "{said}\n{}", stage.logs());
    stage.watch().unwrap().whole().unwrap();
    stage.forward().unwrap().whole().unwrap();
}

fn goes_on_when_killed_for(outages: &[u64]) {
    let mut stage = Stage::set().unwrap();
    let mut watch = stage.watch().unwrap();
    let forward = stage.forward().unwrap();
    let sessions = stage.sessions().unwrap();
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    for seconds in outages {
        stage.stack.gateway.kill().unwrap();
        wait::last(Duration::from_secs(*seconds));
        stage.stack.gateway.run().unwrap();
        stage.shown(watch.goes_on(BOUND));
        stage.shown(forward.goes_on(BOUND));
        assert_eq!(stage.sessions().unwrap(), sessions);
    }
    watch.whole().unwrap();
    forward.whole().unwrap();
}
