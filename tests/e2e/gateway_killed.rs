//! F1: the gateway is killed, and what goes through it pauses and goes on.

use std::time::Duration;

use adit_harness::stack::BOUND;
use adit_harness::wait;

use crate::busy::Stage;

#[test]
fn f1_busy_watch_and_forward_go_on_whole_when_the_gateway_is_killed_for_2_and_5_seconds() {
    goes_on_when_killed_for(&[2, 5]);
}

#[test]
#[ignore = "long: the gateway is away for 10 seconds"]
fn f1_busy_watch_and_forward_go_on_whole_when_the_gateway_is_killed_for_10_seconds() {
    goes_on_when_killed_for(&[10]);
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
