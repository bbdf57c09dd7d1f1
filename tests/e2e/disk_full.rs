//! F25: no room on the disk of a gateway, and on that of a connector.

use std::path::Path;

use adit_harness::cluster::Cluster;
use adit_harness::process::Finished;
use adit_harness::stack::{BOUND, Engineer};
use adit_harness::volume::Volume;
use adit_harness::wait;
use anyhow::Result;

use crate::busy::{BusyForward, BusyWatch, Stage, sessions_of};
use crate::joined;

/// What kubectl asks.
const GET: [&str; 2] = ["get", "namespaces"];

#[test]
fn f25_a_gateway_without_room_lets_what_runs_go_on_refuses_what_is_new_and_recovers_by_itself() {
    let mut stage = Stage::set().unwrap();
    let cleo = stage.stack.engineer("cleo@example.org").unwrap();
    stage.stack.gateway.stop().unwrap();
    let volume = small(stage.stack.gateway.folder()).unwrap();
    stage.stack.gateway.run().unwrap();
    let (mut watch, forward) = (stage.watch().unwrap(), stage.forward().unwrap());

    volume.fill().unwrap();
    let said = refused(&cleo).unwrap();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("audit_unavailable"), "{}", said.stderr);
    assert!(
        said.stderr.contains("gateway's audit log"),
        "{}",
        said.stderr
    );
    let said = stage.stack.admin.run(&["login"]).unwrap();
    assert_ne!(said.code, Some(0), "{}", said.stdout);
    assert!(said.stderr.contains("its disk"), "{}", said.stderr);
    go_on(&stage, &mut watch, &forward);

    volume.empty().unwrap();
    let opened = wait::until("a session", BOUND, || {
        Ok((cleo.run(&["ping", "prod"])?.code == Some(0)).then_some(()))
    });
    stage.shown(opened);
    go_on(&stage, &mut watch, &forward);
    watch.whole().unwrap();
    forward.whole().unwrap();
    nothing_is_missing(&stage);
}

#[test]
fn f25_a_connector_without_room_lets_what_runs_go_on_refuses_what_is_new_and_recovers_by_itself() {
    let mut stage = Stage::set().unwrap();
    let cleo = stage.stack.engineer("cleo@example.org").unwrap();
    stage.stack.connector.kill().unwrap();
    let volume = small(stage.stack.connector.folder()).unwrap();
    stage.stack.connector.run().unwrap();
    let kubectl = stage.ben.kubectl("prod").unwrap();
    kubectl.ok(&GET).unwrap();
    let (mut watch, forward) = (stage.watch().unwrap(), stage.forward().unwrap());

    volume.fill().unwrap();
    let said = wait::until("a request that is refused", BOUND, || {
        let said = kubectl.run(&GET)?;
        Ok((said.code != Some(0)).then_some(said.stderr))
    });
    let said = stage.shown(said);
    assert!(said.contains("audit"), "{said}");
    let said = refused(&cleo).unwrap();
    assert!(said.stderr.contains("audit_unavailable"), "{}", said.stderr);
    go_on(&stage, &mut watch, &forward);

    volume.empty().unwrap();
    let answered = wait::until("an answer", BOUND, || {
        Ok((kubectl.run(&GET)?.code == Some(0)).then_some(()))
    });
    stage.shown(answered);
    cleo.ok(&["ping", "prod"]).unwrap();
    go_on(&stage, &mut watch, &forward);
    watch.whole().unwrap();
    forward.whole().unwrap();
    nothing_is_missing(&stage);
}

/// Puts the state of who does not run on a disk that is soon full.
fn small(folder: &Path) -> Result<Volume> {
    Volume::under(&folder.join("state"))
}

/// Opens sessions until one is refused: some may still find room in what is allocated already.
fn refused(engineer: &Engineer) -> Result<Finished> {
    wait::until("a session that is refused", BOUND, || {
        for session in sessions_of(engineer)? {
            engineer.run(&["sessions", "--end", &session])?;
        }
        let said = engineer.run(&["ping", "prod"])?;
        Ok((said.code != Some(0)).then_some(said))
    })
}

fn go_on(stage: &Stage, watch: &mut BusyWatch, forward: &BusyForward) {
    stage.shown(watch.goes_on(BOUND));
    stage.shown(forward.goes_on(BOUND));
}

/// What reached the API server meanwhile, and before and after, is in our log.
fn nothing_is_missing(stage: &Stage) {
    let cluster = Cluster::shared().unwrap();
    joined::logs_join_one_to_one(&stage.stack, cluster, "ben@example.org");
}
