//! The main job on real parts: from an empty gateway to `kubectl` on a real API server, and its end.

use adit_harness::cluster::Cluster;
use adit_harness::stack::{BOUND, Stack};

use crate::joined;

#[test]
fn an_invited_engineer_reads_a_real_api_server_until_she_is_revoked() {
    let stack = Stack::start().unwrap();
    let cluster = Cluster::shared().unwrap();
    let ben = stack.engineer("ben@example.org").unwrap();
    let kubectl = ben.kubectl("prod").unwrap();

    let namespaces = kubectl.ok(&["get", "namespaces"]).unwrap();
    assert!(namespaces.contains("kube-system"), "{namespaces}");
    let whoami = kubectl.json(&["auth", "whoami"]).unwrap();
    assert_eq!(whoami["status"]["userInfo"]["username"], "ben@example.org");

    let mut watch = kubectl
        .launch(&["get", "configmaps", "--watch", "--output=name", "-v=6"])
        .spawn()
        .unwrap();
    watch.until_line("kube-root-ca.crt", BOUND).unwrap();
    stack.admin.revoke("ben@example.org").unwrap();
    watch.finish(BOUND).unwrap_or_else(|error| {
        panic!(
            "{error:#}\nagent: {}\nconnector: {}\ngateway: {}",
            ben.agent_log(),
            stack.connector.log(),
            stack.gateway.log()
        )
    });
    let refused = kubectl.run(&["get", "namespaces"]).unwrap();
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("revoked"), "{}", refused.stderr);

    joined::logs_join_one_to_one(&stack, cluster, "ben@example.org");
}
