//! F13: a leg of the network is cut without a word to anybody.

use std::time::Duration;

use adit_harness::kubectl::Kubectl;
use adit_harness::netns::{Host, Network};
use adit_harness::stack::{BOUND, Stack};
use adit_harness::wait;
use tokio::time::Instant;

use crate::busy::Stage;

/// Which leg is cut.
type Leg = fn(&Network) -> &Host;

/// In which a command that begins during a cut must end with an error: 3 s until the agent knows, 5 s of its patience,
/// and what kubectl and a busy machine take. I7 says 30 s.
const TOLD: Duration = Duration::from_secs(20);

#[test]
fn f13_streams_go_on_whole_after_3_seconds_without_any_leg() {
    let mut stage = Stage::set().unwrap();
    let mut watch = stage.watch().unwrap();
    let forward = stage.forward().unwrap();
    let sessions = stage.sessions().unwrap();
    for leg in [Network::client, Network::cluster, Network::gateway] {
        cut_for(&stage.stack, leg, Duration::from_secs(3), || {});
        stage.shown(watch.goes_on(BOUND));
        stage.shown(forward.goes_on(BOUND));
        assert_eq!(stage.sessions().unwrap(), sessions);
    }
    watch.whole().unwrap();
    forward.whole().unwrap();
    stage.stack.gateway.kill().unwrap();
}

#[test]
fn f13_streams_go_on_whole_after_30_seconds_without_the_clients_leg() {
    goes_on_after_30_seconds(Network::client);
}

#[test]
fn f13_streams_go_on_whole_after_30_seconds_without_the_gateways_leg() {
    goes_on_after_30_seconds(Network::gateway);
}

/// Shorter than a lease and than a link lives: everything goes on. A new command is told meanwhile.
fn goes_on_after_30_seconds(leg: Leg) {
    let stage = Stage::set().unwrap();
    let mut watch = stage.watch().unwrap();
    let forward = stage.forward().unwrap();
    let sessions = stage.sessions().unwrap();
    let kubectl = ready(&stage);
    cut_for(&stage.stack, leg, Duration::from_secs(30), || {
        let (said, took) = refused(&kubectl);
        assert!(said.contains("gateway"), "{said}");
        assert!(took < TOLD, "{took:?}: {said}");
    });
    stage.shown(watch.goes_on(BOUND));
    stage.shown(forward.goes_on(BOUND));
    assert_eq!(stage.sessions().unwrap(), sessions);
    kubectl.ok(&["get", "namespaces"]).unwrap();
    watch.whole().unwrap();
    forward.whole().unwrap();
}

/// Who has a gateway and no connector cannot tell a cut from a connector that is gone, and is told within seconds.
#[test]
fn f13_streams_end_with_the_reason_and_new_ones_open_after_30_seconds_without_the_connectors_leg() {
    without_the_connectors_leg_for(Duration::from_secs(30));
}

#[test]
#[ignore = "long: legs are cut for 300 seconds"]
fn f13_everything_recovers_by_itself_after_300_seconds_without_the_connectors_leg() {
    without_the_connectors_leg_for(Duration::from_mins(5));
}

#[test]
#[ignore = "long: legs are cut for 300 seconds"]
fn f13_everything_recovers_by_itself_after_300_seconds_without_the_clients_leg() {
    let stage = Stage::set().unwrap();
    let watch = stage.watch().unwrap();
    let forward = stage.forward().unwrap();
    let kubectl = ready(&stage);
    cut_for(
        &stage.stack,
        Network::client,
        Duration::from_mins(5),
        || {
            let (said, took) = refused(&kubectl);
            assert!(said.contains("gateway") && took < TOLD, "{took:?}: {said}");
            // A link lives for 90 s without its other end.
            watch.ended(Duration::from_mins(2)).unwrap();
            let said = forward.cut_off(BOUND).unwrap();
            assert!(said.contains("echo"), "{said}");
        },
    );
    recovers(&stage);
}

fn without_the_connectors_leg_for(span: Duration) {
    let stage = Stage::set().unwrap();
    let watch = stage.watch().unwrap();
    let forward = stage.forward().unwrap();
    let kubectl = ready(&stage);
    cut_for(&stage.stack, Network::cluster, span, || {
        let (said, took) = refused(&kubectl);
        assert!(took < TOLD, "{took:?}: {said}");
        let said = forward.cut_off(BOUND).unwrap();
        assert!(said.contains("target_offline"), "{said}");
        watch.ended(BOUND).unwrap();
    });
    recovers(&stage);
}

/// New streams come without anybody doing anything.
fn recovers(stage: &Stage) {
    let kubectl = stage.ben.kubectl("prod").unwrap();
    let seen = wait::until("the first answer after a cut", BOUND, || {
        let again = kubectl.run(&["get", "namespaces"])?;
        Ok((again.code == Some(0)).then_some(()))
    });
    stage.shown(seen);
    stage.watch().unwrap().whole().unwrap();
    stage.forward().unwrap().whole().unwrap();
}

/// kubectl that has discovered what there is: it shows the reason only of what it asks for itself.
fn ready(stage: &Stage) -> Kubectl {
    let kubectl = stage.ben.kubectl("prod").unwrap();
    kubectl.ok(&["get", "namespaces"]).unwrap();
    kubectl
}

/// What a new command says, and how long it takes.
fn refused(kubectl: &Kubectl) -> (String, Duration) {
    let begun = Instant::now();
    let refused = kubectl.run(&["get", "namespaces"]).unwrap();
    assert_ne!(refused.code, Some(0), "{}", refused.stdout);
    (refused.stderr, begun.elapsed())
}

fn cut_for(stack: &Stack, leg: Leg, span: Duration, meanwhile: impl FnOnce()) {
    let host = leg(&stack.network);
    let begun = Instant::now();
    stack.network.cut(host).unwrap();
    meanwhile();
    wait::last(span.saturating_sub(begun.elapsed()));
    stack.network.mend(host).unwrap();
}
