//! Streams on real pods, through Adit: each verb, by each client and protocol.

mod at_once;
mod helm;
mod table;
mod verbs;

use std::time::Duration;

use adit_harness::cluster::Cluster;
use adit_harness::stack::{BOUND, ENGINEERS_EDIT, ENGINEERS_VIEW, Engineer, Stack};
use adit_harness::terminal::Terminal;
use adit_harness::wait;

/// What `kubectl debug` needs and the role `edit` does not have.
const MAY_DEBUG: &str = "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, \
    metadata: {name: may-debug, namespace: default}, rules: [{apiGroups: [''], \
    resources: [pods/ephemeralcontainers], verbs: [patch]}]}";
const DEBUGGERS: &str = "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, \
    metadata: {name: may-debug, namespace: default}, roleRef: {apiGroup: rbac.authorization.k8s.io, \
    kind: Role, name: may-debug}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, \
    name: adit-edit}]}";

/// An engineer who may edit, and a cluster with a node.
struct Scene {
    stack: Stack,
    ben: Engineer,
    cluster: &'static Cluster,
}

impl Scene {
    fn new() -> Self {
        let stack = Stack::with_policy(&format!("{ENGINEERS_VIEW}{ENGINEERS_EDIT}")).unwrap();
        let cluster = Cluster::shared().unwrap();
        cluster.node().unwrap();
        let ben = stack.engineer("ben@example.org").unwrap();
        Self {
            stack,
            ben,
            cluster,
        }
    }
}

/// What F11 allows; nothing else ends by then.
const ENDED: Duration = Duration::from_secs(30);

#[test]
fn f11_f56_an_exec_ends_in_the_pod_when_kubectl_is_killed_and_when_its_user_is_revoked() {
    let scene = Scene::new();
    let pod = "cut-off";
    scene.cluster.node().unwrap().run_server(pod).unwrap();
    let kubectl = scene.ben.kubectl("prod").unwrap();
    let started = |mark: &str| {
        let script = ["sh", "-c", "echo here; read line", mark];
        // Without a terminal in the pod: with one the kubelet lets the program run on, through Adit or not.
        let exec = kubectl.launch(&["exec", "-i", pod, "--"]).args(script);
        let terminal = Terminal::start(&exec).unwrap();
        terminal.until("here", BOUND).unwrap();
        assert!(runs(&scene, pod, mark));
        terminal
    };
    let ends = |mark: &str| {
        let over = || Ok((!runs(&scene, pod, mark)).then_some(()));
        wait::until(&format!("the end of {mark} in the pod"), ENDED, over).unwrap();
    };

    let other = started("other");
    let killed = started("killed");
    // Dropping it kills kubectl.
    drop(killed);
    ends("killed");
    assert!(runs(&scene, pod, "other"));

    scene.stack.admin.revoke("ben@example.org").unwrap();
    assert_ne!(other.finish(ENDED).unwrap(), 0);
    ends("other");
}

/// Whether a program with this word in its command line runs in the pod.
fn runs(scene: &Scene, pod: &str, mark: &str) -> bool {
    let admin = scene.cluster.kubectl().unwrap();
    let processes = admin.ok(&["exec", pod, "--", "ps", "-o", "args"]).unwrap();
    processes
        .lines()
        .any(|line| line.starts_with("sh -c") && line.ends_with(mark))
}

#[test]
fn k12_k21_each_verb_passes_by_each_client_over_web_socket_and_spdy() {
    let scene = Scene::new();
    let admin = scene.cluster.kubectl().unwrap();
    for manifest in [MAY_DEBUG, DEBUGGERS] {
        admin.apply(manifest).unwrap();
    }
    let clients = table::clients(&scene);
    let helm = [table::helm(&scene)];
    for (clients, verbs) in [(&clients[..], &verbs::ALL[..]), (&helm, &helm::ALL)] {
        let table = table::tried(&scene, clients, verbs);
        let documented = include_str!("../../docs/streams.md").contains(&table.to_string());
        assert!(
            documented,
            "docs/streams.md says otherwise than this:\n{table}"
        );
    }
}

#[test]
fn f39_watches_a_shell_and_a_forward_of_one_agent_answer_at_once_and_beside_who_does_not_read() {
    let scene = Scene::new();
    let pod = "at-once";
    scene.cluster.node().unwrap().run_server(pod).unwrap();
    let mut open = at_once::Open::start(&scene, pod).unwrap();
    open.answers().unwrap();
    open.answers_beside_a_flood().unwrap();
    open.answers_beside_a_log().unwrap();
}
