//! An agent whose program is replaced on disk: another one takes over, and what is open goes on.

use adit_harness::built::{self, Build};
use adit_harness::scratch::scratch;
use adit_harness::stack::BOUND;
use adit_harness::wait;

use crate::busy::Stage;

#[test]
fn an_agent_whose_program_is_replaced_leaves_to_another_and_what_is_open_in_it_goes_on() {
    let folder = scratch().unwrap().folder("installed").unwrap();
    let stage = Stage::with("", Build::installed_in(&folder)).unwrap();
    let mut watch = stage.watch().unwrap();
    let forward = stage.forward().unwrap();
    let before = stage.ben.agent_id().unwrap();

    built::install("adit", &folder).unwrap();
    let kubectl = stage.ben.kubectl_as_written().unwrap();
    stage.shown(kubectl.ok(&["get", "namespaces"]));
    assert_ne!(stage.ben.agent_id().unwrap(), before);
    stage.shown(watch.goes_on(BOUND));
    stage.shown(forward.goes_on(BOUND));

    let empty = || stage.ben.agent_log().contains("Nothing is open any more.");
    assert!(!empty());
    watch.whole().unwrap();
    forward.whole().unwrap();
    let emptied = wait::until("the end of the agent that left", BOUND, || {
        Ok(empty().then_some(()))
    });
    stage.shown(emptied);
    kubectl.ok(&["get", "namespaces"]).unwrap();
}
