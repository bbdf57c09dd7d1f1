//! F8: a connector that vanishes. A clear error in 5 s, its replica serves the next request, and without one work goes
//! on when it is back.

use std::time::Duration;

use adit_harness::kubectl::Kubectl;
use adit_harness::stack::{BOUND, Connector};
use adit_harness::wait;
use tokio::time::Instant;

use crate::busy::Stage;

/// The bound, and what starting kubectl takes on a busy machine.
const TOLD: Duration = Duration::from_secs(5 + 3);

#[test]
fn f8_a_killed_connector_is_told_in_5_seconds_and_its_replica_serves_the_next_request() {
    let mut stage = Stage::set().unwrap();
    let kubectl = stage.ben.kubectl("prod").unwrap();
    // kubectl keeps what it discovers, and shows the reason only of what it asks for itself.
    kubectl.ok(&["get", "namespaces"]).unwrap();
    let watch = stage.watch().unwrap();
    let forward = stage.forward().unwrap();
    let mut replica = stage.stack.connector.replica().unwrap().start().unwrap();

    let begun = Instant::now();
    stage.stack.connector.kill().unwrap();
    let said = forward.cut_off(BOUND).unwrap();
    let took = begun.elapsed();
    assert!(took < TOLD, "{took:?}");
    assert!(said.contains("target_offline"), "{said}");
    watch.ended(BOUND).unwrap();
    let next = kubectl.ok(&["get", "namespaces"]);
    stage.shown(next);
    let served = replica.log();
    assert!(served.contains("a session began"), "{served}");
    stage.forward().unwrap().whole().unwrap();

    nobody_is_left(&stage, &mut replica, &kubectl);
    stage.stack.connector.run().unwrap();
    let seen = wait::until("an answer", BOUND, || {
        let again = kubectl.run(&["get", "namespaces"])?;
        Ok((again.code == Some(0)).then_some(()))
    });
    stage.shown(seen);
    stage.watch().unwrap().whole().unwrap();
    stage.forward().unwrap().whole().unwrap();
}

/// Kills the last one: a request that begins then is told.
fn nobody_is_left(stage: &Stage, last: &mut Connector, kubectl: &Kubectl) {
    let watch = stage.watch().unwrap();
    last.kill().unwrap();
    let begun = Instant::now();
    let refused = kubectl.run(&["get", "namespaces"]).unwrap();
    let took = begun.elapsed();
    assert_ne!(refused.code, Some(0), "{}", refused.stdout);
    assert!(took < TOLD, "{took:?}: {}", refused.stderr);
    assert!(refused.stderr.contains("prod"), "{}", refused.stderr);
    watch.ended(BOUND).unwrap();
}
