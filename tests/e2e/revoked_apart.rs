//! F57: something is revoked while the gateway restarts, or while the connector is cut off.

use std::time::Duration;

use adit_harness::built::Build;
use adit_harness::cluster::Cluster;
use adit_harness::stack::BOUND;
use adit_harness::wait;
use anyhow::Context;
use serde_json::Value;
use tokio::time::Instant;

use crate::busy::Stage;

/// Below the lease of 60 s, so that a stream which ends by then was not ended by the lease.
const SOON: Duration = Duration::from_secs(30);
/// A short lease, for the test that waits for its end.
const LEASE: Duration = Duration::from_secs(10);

const BEN: &str = "ben@example.org";
const CLEO: &str = "cleo@example.org";

#[test]
fn f57_what_is_revoked_while_the_gateway_restarts_ends_before_the_lease_and_in_order() {
    let mut stage = Stage::set().unwrap();
    stage.stack.admin.invite(CLEO, &["engineers"]).unwrap();
    let watch = stage.watch().unwrap();
    let forward = stage.forward().unwrap();
    let sessions = stage.sessions().unwrap();

    // The first is stored, and the connector is not told before the gateway dies.
    let network = &stage.stack.network;
    network.cut(network.cluster()).unwrap();
    stage.stack.admin.revoke(CLEO).unwrap();
    stage.stack.gateway.kill().unwrap();
    // The second is asked for while nobody is there, until somebody is.
    let refused = stage.stack.admin.revoking(BEN).run().unwrap();
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
    let network = &stage.stack.network;
    network.mend(network.cluster()).unwrap();
    stage.stack.gateway.run().unwrap();
    wait::until("the second revocation", BOUND, || {
        let again = stage.stack.admin.revoking(BEN).run()?;
        Ok((again.code == Some(0)).then_some(()))
    })
    .unwrap();

    let said = forward.cut_off(SOON).unwrap();
    watch.ended(SOON).unwrap();
    assert!(said.contains("revoked"), "{said}\n{}", stage.logs());
    for session in &sessions {
        let reasons = stage.over(session).unwrap();
        assert!(reasons.contains("device_revoked"), "{reasons:?}");
    }
    last_two_are_revocations(&stage);
}

#[test]
fn f57_what_is_revoked_while_the_connector_is_cut_off_ends_at_the_lease_and_stays_ended() {
    let lease = format!("[lives]\nlease_s = {}\n", LEASE.as_secs());
    let mut stage = Stage::with(&lease, Build::default()).unwrap();
    stage.stack.admin.invite(CLEO, &["engineers"]).unwrap();
    let watch = stage.watch().unwrap();
    let sessions = stage.sessions().unwrap();
    let session = sessions.first().unwrap();
    assert!(!is_over_at_the_api_server(session));

    let begun = Instant::now();
    let network = &stage.stack.network;
    network.cut(network.cluster()).unwrap();
    stage.stack.admin.revoke(CLEO).unwrap();
    stage.stack.admin.revoke(BEN).unwrap();
    let seen = wait::until("the end of the lease at the connector", LEASE * 2, || {
        let ended = stage.stack.connector.log();
        let ended = ended
            .lines()
            .any(|line| line.contains(session) && line.contains("lease_expired"));
        Ok(ended.then_some(()))
    });
    stage.shown(seen);
    // One second between two looks of the connector, and what a busy machine takes.
    assert!(begun.elapsed() < LEASE + Duration::from_secs(4));
    wait::until("the end of the watch at the API server", BOUND, || {
        Ok(is_over_at_the_api_server(session).then_some(()))
    })
    .unwrap();
    watch.ended(BOUND).unwrap();

    let network = &stage.stack.network;
    network.mend(network.cluster()).unwrap();
    last_two_are_revocations(&stage);
    let newest = newest_number(&stage);
    let seen = wait::until("the revocations at the connector", BOUND, || {
        let told = stage.stack.connector.log();
        Ok(told
            .contains(&format!("roster.number={newest}"))
            .then_some(()))
    });
    stage.shown(seen);
    let refused = stage.ben.run(&["sessions"]).unwrap();
    assert_ne!(refused.code, Some(0), "{}", refused.stdout);
    assert!(refused.stderr.contains("revoked"), "{}", refused.stderr);
    stage.stack.connector.kill().unwrap();
}

/// Whether the API server has seen the end of the watch of this session.
fn is_over_at_the_api_server(session: &str) -> bool {
    let events = Cluster::shared().unwrap().audit().unwrap();
    events.iter().any(|event| {
        let of_session = event.impersonated_user.as_ref().is_some_and(|user| {
            let named = user.extra.get("adit.internal/session");
            named.is_some_and(|named| named.iter().any(|one| one == session))
        });
        of_session && event.verb == "watch" && event.stage == "ResponseComplete"
    })
}

/// The roster's statements as `adit admin roster` verified them.
fn statements(stage: &Stage) -> Vec<Value> {
    let listed = stage.stack.admin.json(&["admin", "roster"]).unwrap();
    listed["statements"]
        .as_array()
        .context("statements")
        .unwrap()
        .clone()
}

fn newest_number(stage: &Stage) -> u64 {
    statements(stage).last().unwrap()["number"]
        .as_u64()
        .unwrap()
}

/// Both revocations, in the order in which they were signed.
fn last_two_are_revocations(stage: &Stage) {
    let all = statements(stage);
    let kinds: Vec<_> = all.iter().map(|one| one["kind"].clone()).collect();
    assert!(
        kinds.ends_with(&["revocation".into(), "revocation".into()]),
        "{kinds:?}"
    );
    let (first, second) = (&all[all.len() - 2], &all[all.len() - 1]);
    let signed = |one: &Value| one["time_ms"].as_u64().unwrap();
    assert!(signed(first) < signed(second), "{first} {second}");
}
