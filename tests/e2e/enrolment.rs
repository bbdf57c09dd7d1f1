//! People enrol, sign in and sign the roster in real browsers, with the addresses that the real `adit` opens.

use adit_harness::browser::{Desk, Seen};
use adit_harness::cluster::Cluster;
use adit_harness::kubectl::Kubectl;
use adit_harness::netns::Network;
use adit_harness::stack::{
    BOUND, ENGINEERS_EDIT, ENGINEERS_VIEW, Engineer, Gateway, GatewayOptions, Stack,
};
use anyhow::Result;

use crate::joined;

/// A deployment without the software authenticator, whose admin sits at a browser; and what the pages showed so far.
fn founded_in_a_browser(policy: &str) -> Result<(Stack, Desk, Vec<Seen>)> {
    let network = Network::new()?;
    let options = GatewayOptions {
        software: false,
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(network.gateway(), &options)?;
    gateway.reach(network.client())?;
    let desk = Desk::start_in(network.client().netns())?;
    let admin = Engineer::new("admin", network.client())?.with_browser(desk.program());
    let assemble = || Stack::assemble(network, gateway, admin, policy, Ok);
    let (stack, seen) = desk.attend(BOUND, assemble)?;
    Ok((stack, desk, seen))
}

fn kinds(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|seen| seen.kind.as_str()).collect()
}

#[test]
fn an_engineer_enrols_in_chromium_and_works_until_she_is_revoked() {
    let (stack, admins, seen) =
        founded_in_a_browser(&[ENGINEERS_VIEW, ENGINEERS_EDIT].concat()).unwrap();
    // Genesis in one tab; then a touch each for the cluster and the policy.
    let founding = ["register", "touch", "sign-in", "touch", "touch"];
    assert_eq!(kinds(&seen), founding);
    assert_eq!(
        admins.opened().unwrap(),
        3,
        "the tab of genesis goes on by itself"
    );

    let invite = || stack.admin.invite("ben@example.org", &["engineers"]);
    let (invitation, seen) = admins.attend(BOUND, invite).unwrap();
    assert_eq!(
        kinds(&seen),
        ["touch", "touch"],
        "the user, then the invitation"
    );

    let desk = Desk::start_in(stack.network.client().netns()).unwrap();
    let ben = Engineer::new("ben", stack.network.client())
        .unwrap()
        .with_browser(desk.program());
    let enrol = || ben.enrolment(&invitation)?.run();
    let (enrolled, seen) = desk.attend(BOUND, enrol).unwrap();
    assert_eq!(enrolled.code, Some(0), "{}", enrolled.stderr);
    assert_eq!(kinds(&seen), ["register", "sign-in"]);
    assert_eq!(desk.opened().unwrap(), 1, "one tab for both");
    shows_what_the_terminal_says(&seen, &enrolled.stderr);

    ben.ok(&["logout"]).unwrap();
    let (login, seen) = desk.attend(BOUND, || ben.run(&["login"])).unwrap();
    assert_eq!(login.code, Some(0), "{}", login.stderr);
    assert_eq!(kinds(&seen), ["sign-in"]);
    shows_what_the_terminal_says(&seen, &login.stderr);

    let kubectl = ben.kubectl("prod").unwrap();
    works(&kubectl);
    let mut watch = kubectl
        .launch(&["get", "configmaps", "--watch", "--output=name"])
        .spawn()
        .unwrap();
    watch.until_line("kube-root-ca.crt", BOUND).unwrap();
    kubectl.apply(&configmap("seen-by-the-watch", "1")).unwrap();
    watch.until_line("seen-by-the-watch", BOUND).unwrap();

    let revoke = || stack.admin.revoke("ben@example.org");
    let (_, seen) = admins.attend(BOUND, revoke).unwrap();
    assert_eq!(kinds(&seen), ["touch"]);
    watch.finish(BOUND).unwrap();
    let refused = kubectl.run(&["get", "namespaces"]).unwrap();
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("revoked"), "{}", refused.stderr);
    joined::logs_join_one_to_one(&stack, Cluster::shared().unwrap(), "ben@example.org");
}

/// get, apply on both sides, and who she is.
fn works(kubectl: &Kubectl) {
    let namespaces = kubectl.ok(&["get", "namespaces"]).unwrap();
    assert!(namespaces.contains("kube-system"), "{namespaces}");
    let whoami = kubectl.json(&["auth", "whoami"]).unwrap();
    assert_eq!(whoami["status"]["userInfo"]["username"], "ben@example.org");
    kubectl.apply(&configmap("applied", "here")).unwrap();
    kubectl
        .launch(&["apply", "--server-side", "--force-conflicts", "-f", "-"])
        .input(configmap("applied", "there"))
        .run()
        .unwrap()
        .ok()
        .unwrap();
    let applied = kubectl.json(&["get", "configmap", "applied"]).unwrap();
    assert_eq!(applied["data"]["key"], "there");
}

fn configmap(name: &str, value: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{key: \"{value}\"}}}}"
    )
}

/// Each page's code is one that the terminal named, and it names whose device it is.
fn shows_what_the_terminal_says(seen: &[Seen], terminal: &str) {
    for page in seen {
        assert!(!page.code.is_empty());
        assert!(terminal.contains(&page.code), "{page:?} and {terminal}");
        assert_eq!(page.owner, "ben@example.org");
    }
}
