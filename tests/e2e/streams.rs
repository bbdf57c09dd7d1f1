//! Streams on real pods, through Adit: each verb, by each client and protocol.

mod table;
mod verbs;

use adit_harness::cluster::Cluster;
use adit_harness::stack::{ENGINEERS_EDIT, ENGINEERS_VIEW, Engineer, Stack};

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
        let admin = cluster.kubectl().unwrap();
        for manifest in [MAY_DEBUG, DEBUGGERS] {
            admin.apply(manifest).unwrap();
        }
        let ben = stack.engineer("ben@example.org").unwrap();
        Self {
            stack,
            ben,
            cluster,
        }
    }
}

#[test]
fn k12_each_verb_passes_by_each_client_over_web_socket_and_spdy() {
    let scene = Scene::new();
    let clients = table::clients(&scene);
    let table = table::tried(&scene, &clients, &verbs::ALL);
    let documented = include_str!("../../docs/streams.md").contains(&table.to_string());
    assert!(
        documented,
        "docs/streams.md says otherwise than this:\n{table}"
    );
}
