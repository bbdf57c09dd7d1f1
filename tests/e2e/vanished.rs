//! A connector that vanishes: a clear error in 5 s, and recovery by itself.

use std::time::Duration;

use adit_harness::stack::BOUND;
use adit_harness::wait;
use tokio::time::Instant;

use crate::busy::Stage;

/// The bound, and what starting kubectl takes on a busy machine.
const TOLD: Duration = Duration::from_secs(5 + 3);

#[test]
fn vanished_connector_is_told_in_5_seconds_and_work_goes_on_when_it_is_back() {
    let mut stage = Stage::set().unwrap();
    let kubectl = stage.ben.kubectl("prod").unwrap();
    // kubectl keeps what it discovers, and shows the reason only of what it asks for itself.
    kubectl.ok(&["get", "namespaces"]).unwrap();
    let watch = stage.watch().unwrap();
    let forward = stage.forward().unwrap();

    stage.stack.connector.kill().unwrap();
    let begun = Instant::now();
    let refused = kubectl.run(&["get", "namespaces"]).unwrap();
    let took = begun.elapsed();
    assert_ne!(refused.code, Some(0), "{}", refused.stdout);
    assert!(took < TOLD, "{took:?}: {}", refused.stderr);
    assert!(refused.stderr.contains("prod"), "{}", refused.stderr);
    let said = forward.cut_off(BOUND).unwrap();
    assert!(said.contains("target_offline"), "{said}");
    watch.ended(BOUND).unwrap();

    stage.stack.connector.run().unwrap();
    let seen = wait::until("an answer", BOUND, || {
        let again = kubectl.run(&["get", "namespaces"])?;
        Ok((again.code == Some(0)).then_some(()))
    });
    stage.shown(seen);
    stage.watch().unwrap().whole().unwrap();
    stage.forward().unwrap().whole().unwrap();
}
