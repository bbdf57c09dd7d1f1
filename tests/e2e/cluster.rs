//! The cluster that the other tests stand on.

use std::time::Duration;

use adit_harness::cluster::{Cluster, Impersonation};
use adit_harness::kubectl::Kubectl;
use adit_harness::netns::Netns;

const BOUND: Duration = Duration::from_secs(20);

#[test]
fn api_server_answers_and_audits_an_impersonated_request() {
    let cluster = Cluster::shared().unwrap();
    let account = cluster
        .impersonator(&Impersonation {
            account: "smoke",
            users: &["ann@example.org"],
            groups: &["viewers"],
        })
        .unwrap();
    let binding = [
        "create",
        "clusterrolebinding",
        "smoke-view",
        "--clusterrole=view",
        "--group=viewers",
    ];
    cluster.kubectl().unwrap().ok(&binding).unwrap();
    // As a connector would: from a namespace in which nothing listens.
    let netns = Netns::create("connector").unwrap();
    cluster.attach(&netns).unwrap();
    let kubectl = Kubectl::new(&account.kubeconfig).unwrap().within(&netns);
    let session = "ses_00000000000000000000000000";
    let extra = format!("--as-user-extra=adit.internal/session={session}");
    let identity = ["--as=ann@example.org", "--as-group=viewers", &extra];

    let list = kubectl
        .json(&[&["get", "configmaps", "--namespace=default"], &identity[..]].concat())
        .unwrap();
    assert_eq!(list["items"][0]["metadata"]["name"], "kube-root-ca.crt");

    let event = cluster
        .audited("the impersonated list", BOUND, |event| {
            event.user.username == account.username
                && event
                    .object_ref
                    .as_ref()
                    .is_some_and(|object| object.resource == "configmaps")
        })
        .unwrap();
    let user = event.impersonated_user.as_ref().unwrap();
    assert_eq!(user.username, "ann@example.org");
    assert!(user.groups.contains(&"viewers".to_owned()), "{user:?}");
    assert_eq!(user.extra["adit.internal/session"], [session]);
    assert_eq!((event.verb.as_str(), event.code()), ("list", Some(200)));
    assert_eq!(netns.open_sockets().unwrap(), []);
}

#[test]
fn impersonation_account_can_do_nothing_as_itself_and_be_nobody_else() {
    let cluster = Cluster::shared().unwrap();
    let account = cluster
        .impersonator(&Impersonation {
            account: "narrow",
            users: &["ben@example.org"],
            groups: &["devs"],
        })
        .unwrap();
    let kubectl = Kubectl::new(&account.kubeconfig)
        .unwrap()
        .within(cluster.netns());
    let refused: [&[&str]; 4] = [
        &[],
        &["--as=kubernetes-admin"],
        &["--as=ben@example.org", "--as-group=system:masters"],
        &["--as=ben@example.org", "--as-user-extra=other/key=x"],
    ];
    for identity in refused {
        let finished = kubectl
            .run(&[&["get", "namespaces"], identity].concat())
            .unwrap();
        assert_ne!(finished.code, Some(0), "{identity:?}");
        assert!(
            finished.stderr.contains("Forbidden") || finished.stderr.contains("forbidden"),
            "{}",
            finished.stderr
        );
    }
    let whoami = kubectl
        .ok(&["auth", "whoami", "--as=ben@example.org", "--as-group=devs"])
        .unwrap();
    assert!(whoami.contains("ben@example.org"), "{whoami}");
}
