//! F35: an API server that is killed, and comes back.

use adit_harness::cluster::Cluster;
use adit_harness::netns::Network;
use adit_harness::stack::{BOUND, ENGINEERS_EDIT, ENGINEERS_VIEW, GatewayOptions, Stack};
use adit_harness::wait;
use anyhow::{Context, Result};

use crate::joined;

#[test]
fn f35_streams_end_when_the_api_server_is_killed_and_requests_are_answered_when_it_is_back() {
    let cluster = Cluster::shared().unwrap();
    let mut server = cluster.another_api_server().unwrap();
    let network = Network::new().unwrap();
    cluster
        .attach_to(&server, network.cluster().netns())
        .unwrap();
    let policy = format!("{ENGINEERS_VIEW}{ENGINEERS_EDIT}");
    let options = GatewayOptions::default();
    let stack = Stack::on(network, &options, &policy, |connector| {
        connector.with_api_server(&server)
    });
    let stack = stack.unwrap();
    let ben = stack.engineer("ben@example.org").unwrap();
    let pod = "outlives";
    cluster.node().unwrap().run_server(pod).unwrap();
    let kubectl = ben.kubectl("prod").unwrap();
    let get = ["get", "configmaps", "--output=name"];
    let mut watch = kubectl.launch(&get).arg("--watch").spawn().unwrap();
    watch.until_line("kube-root-ca.crt", BOUND).unwrap();
    let script = ["exec", pod, "--", "sh", "-c", "echo here; sleep 600"];
    let mut exec = kubectl.launch(&script).spawn().unwrap();
    exec.until_line("here", BOUND).unwrap();

    server.kill().unwrap();
    watch.finish(BOUND).unwrap();
    let exec = exec.finish(BOUND).unwrap();
    assert_ne!(exec.code, Some(0), "{exec:?}");
    let refused = kubectl.run(&get).unwrap();
    assert_ne!(refused.code, Some(0), "{}", refused.stdout);
    let said = &refused.stderr;
    assert!(said.contains("API server gave no answer"), "{said}");
    wait::until("both ends in the audit log", BOUND, || {
        Ok((cut_off(&stack)? >= 2).then_some(()))
    })
    .unwrap();

    server.run().unwrap();
    let answered = kubectl.ok(&get);
    answered.with_context(|| stack.connector.log()).unwrap();
    let mut watch = kubectl.launch(&get).arg("--watch").spawn().unwrap();
    watch.until_line("kube-root-ca.crt", BOUND).unwrap();
}

/// How many requests began and were cut off by the API server's end.
fn cut_off(stack: &Stack) -> Result<usize> {
    let events = joined::events(stack)?;
    let cut = events.iter().filter(|event| {
        event["kind"] == "request_outcome"
            && event["reason"] == "target_offline"
            && event["status"] != 0
    });
    Ok(cut.count())
}
