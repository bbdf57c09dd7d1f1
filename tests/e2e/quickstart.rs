//! `deploy/quickstart` as a person runs it, with programs that were built before.

use std::path::Path;

use adit_harness::built::program;
use adit_harness::cluster::Cluster;
use adit_harness::netns::Netns;
use adit_harness::process::{Finished, Launch};
use adit_harness::scratch::scratch;

#[test]
fn demo_reaches_a_service_and_down_removes_everything() {
    let netns = Netns::create("quickstart").unwrap();
    let state = scratch().unwrap().folder("quickstart").unwrap();
    let finished = quickstart(&netns, &state, &["--demo"]).run().unwrap();
    passed(&finished, 5);
    taken_down(&netns, &state);
}

#[test]
fn context_reaches_a_real_api_server_and_down_removes_everything() {
    let cluster = Cluster::shared().unwrap();
    let netns = Netns::create("quickstart").unwrap();
    cluster.attach(&netns).unwrap();
    let state = scratch().unwrap().folder("quickstart").unwrap();
    let admin = cluster.kubectl().unwrap();
    let context = admin.ok(&["config", "current-context"]).unwrap();
    let finished = quickstart(&netns, &state, &["--context", context.trim()])
        .run()
        .unwrap();
    passed(&finished, 6);
    assert!(
        finished.stderr.contains("kube-system"),
        "{}",
        finished.stderr
    );
    let roles = ["get", "clusterroles", "--output=name"];
    assert!(admin.ok(&roles).unwrap().contains("adit-quickstart"));
    taken_down(&netns, &state);
    assert!(!admin.ok(&roles).unwrap().contains("adit-quickstart"));
}

#[test]
fn context_that_does_not_exist_is_named_and_nothing_is_made() {
    let netns = Netns::create("quickstart").unwrap();
    let state = scratch().unwrap().folder("quickstart").unwrap();
    let finished = quickstart(&netns, &state, &["--context", "nowhere"])
        .run()
        .unwrap();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("nowhere"), "{}", finished.stderr);
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 0);
}

fn quickstart(netns: &Netns, state: &Path, mode: &[&str]) -> Launch {
    let options = [
        "--yes",
        "--software-authenticator",
        "--self-test",
        "--bin-dir",
    ];
    let programs = program("adit").unwrap();
    script(netns, state)
        .args(mode)
        .args(options)
        .arg(programs.parent().unwrap())
}

fn script(netns: &Netns, state: &Path) -> Launch {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/quickstart");
    let tools = adit_harness::cluster::binary("kubectl").unwrap();
    let path = std::env::var("PATH").unwrap();
    let launch = netns
        .launch(script)
        .env(
            "PATH",
            format!("{}:{path}", tools.parent().unwrap().display()),
        )
        .env("HOME", state)
        .env("USER", "demo")
        .env("XDG_STATE_HOME", state);
    match Cluster::shared() {
        Ok(cluster) => launch.env("KUBECONFIG", cluster.admin_kubeconfig()),
        Err(_) => launch,
    }
}

fn passed(finished: &Finished, count: usize) {
    let last = finished.stdout.lines().last();
    let expected = format!("{count} passed, 0 failed");
    assert_eq!(last, Some(expected.as_str()), "{}", finished.stderr);
    assert_eq!(finished.code, Some(0));
}

fn taken_down(netns: &Netns, state: &Path) {
    script(netns, state)
        .arg("down")
        .run()
        .unwrap()
        .ok()
        .unwrap();
    assert!(!state.join("adit-quickstart").exists());
}
