//! The main job on real parts: from an empty gateway to `kubectl` on a real API server, and its end.

use std::collections::BTreeSet;

use adit_harness::cluster::Cluster;
use adit_harness::stack::{BOUND, Stack};
use adit_harness::wait;
use anyhow::Context;
use serde_json::Value;

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
    stack
        .admin
        .ok(&[
            "admin",
            "users",
            "revoke",
            "ben@example.org",
            "--reason",
            "left",
        ])
        .unwrap();
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

    logs_join_one_to_one(&stack, cluster);
}

/// Each request of the engineer is once in the API server's log and once in ours, with the same user and session.
fn logs_join_one_to_one(stack: &Stack, cluster: &Cluster) {
    wait::until("both logs to agree", BOUND, || {
        let printed = stack.admin.json(&["admin", "audit", "list"])?;
        let events = printed["events"].as_array().context("events")?;
        let ours: BTreeSet<_> = events
            .iter()
            .filter(|event| event["kind"] == "request_intent" && event["reason"] == "")
            .map(|event| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let actor = &event["actor"];
                let who = (text(&actor["user_name"]), text(&actor["session_id"]));
                (text(&event["request_id"]), who)
            })
            .collect();
        let sessions: BTreeSet<_> = ours.iter().map(|(_, (_, session))| session).collect();
        let theirs: Vec<_> = cluster
            .audit()?
            .into_iter()
            .filter(|event| event.stage == "ResponseComplete")
            .filter_map(|event| {
                let user = event.impersonated_user?;
                let session = user.extra.get("adit.internal/session")?.first()?.clone();
                sessions
                    .contains(&session)
                    .then_some((event.audit_id, (user.username, session)))
            })
            .collect();
        let count = theirs.len();
        let theirs: BTreeSet<_> = theirs.into_iter().collect();
        Ok((!ours.is_empty() && ours == theirs && count == ours.len()).then_some(()))
    })
    .unwrap();
}
