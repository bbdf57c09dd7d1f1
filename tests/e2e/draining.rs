//! F10: a connector that is told to end, once and twice.

use adit_harness::stack::BOUND;
use anyhow::Result;
use rustix::process::Signal;

use crate::busy::Stage;

#[test]
fn f10_a_connector_that_drains_lets_streams_go_on_and_ends_at_once_when_told_again() {
    let mut stage = Stage::set().unwrap();
    let forward = stage.forward().unwrap();
    let kubectl = stage.ben.kubectl("prod").unwrap();
    kubectl.ok(&["get", "namespaces"]).unwrap();

    told_to_end(&mut stage).unwrap();
    let connector = stage.stack.connector.process().unwrap();
    connector.until_line("the connector drains", BOUND).unwrap();
    forward.goes_on(BOUND).unwrap();
    // No gateway knows it any more, and so nobody new is sent to it.
    let cleo = stage.stack.engineer("cleo@example.org").unwrap();
    let refused = cleo.run(&["ping", "prod"]).unwrap();
    assert_eq!(refused.code, Some(5), "{refused:?}");
    forward.goes_on(BOUND).unwrap();

    told_to_end(&mut stage).unwrap();
    let ended = stage.stack.connector.ended(BOUND).unwrap();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let said = forward.cut_off(BOUND).unwrap();
    assert!(said.contains("target_offline"), "{said}");
}

#[test]
fn f10_a_connector_without_streams_ends_in_order_as_soon_as_it_is_told() {
    let mut stage = Stage::set().unwrap();
    told_to_end(&mut stage).unwrap();
    let ended = stage.stack.connector.ended(BOUND).unwrap();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stderr.contains("cut off"), "{}", ended.stderr);
}

fn told_to_end(stage: &mut Stage) -> Result<()> {
    stage.stack.connector.process()?.signal(Signal::TERM)
}
