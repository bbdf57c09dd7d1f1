//! Each verb of kubectl through the whole path, to a real API server.

use adit_harness::cluster::{AuditEvent, Cluster};
use adit_harness::kubectl::Kubectl;
use adit_harness::stack::{BOUND, ENGINEERS_EDIT, ENGINEERS_VIEW, Stack};

use crate::joined;

/// Where the table's objects lie.
const NAMESPACE: &str = "verbs";
/// What the API server says of a pod that runs nowhere.
const NO_NODE: &str = "does not have a host assigned";

/// One command: its arguments, what it reads, its exit code, and what it says on stdout (0) or stderr (else).
struct Row {
    args: &'static str,
    input: &'static str,
    code: i32,
    says: &'static str,
}

const fn row(args: &'static str, says: &'static str) -> Row {
    reads(args, "", says)
}

const fn reads(args: &'static str, input: &'static str, says: &'static str) -> Row {
    Row {
        args,
        input,
        code: 0,
        says,
    }
}

const fn fails(args: &'static str, says: &'static str) -> Row {
    Row {
        code: 1,
        ..row(args, says)
    }
}

const ONE: &str =
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {key: \"1\", big: \"\"}}";
const TWO: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {key: \"2\"}}";
/// Waits for ever: no node has the label.
const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: pod, labels: {app: pod}}, \
    spec: {nodeSelector: {kept: pending}, containers: [{name: main, image: localhost/none, imagePullPolicy: Never}]}}";

/// In this order.
const TABLE: [Row; 40] = [
    row("get namespaces", "kube-system"),
    row("get namespace verbs --output=yaml", "name: verbs"),
    row(
        "get configmaps --all-namespaces --output=name",
        "kube-root-ca.crt",
    ),
    row(
        "get configmaps --chunk-size=1 --output=name",
        "kube-root-ca.crt",
    ),
    row("get --raw /version", "gitVersion"),
    row("api-resources --namespaced=true", "configmaps"),
    row("version", "Server Version"),
    row("auth whoami", "ben@example.org"),
    row("auth can-i create configmaps", "yes"),
    fails("auth can-i create nodes --quiet", ""),
    row("explain pods.spec.containers", "List of containers"),
    row("explain deployments --recursive", "replicas"),
    // create and apply, on both sides
    reads("create -f -", ONE, "configmap/one created"),
    reads(
        "create --dry-run=server -f -",
        POD,
        "pod/pod created (server dry run)",
    ),
    row(
        "create configmap two --from-literal=key=1",
        "configmap/two created",
    ),
    fails("create configmap two", "already exists"),
    reads("apply -f -", TWO, "configmap/one configured"),
    reads("apply -f -", TWO, "configmap/one unchanged"),
    row("get configmap one --output=jsonpath={.data.key}", "2"),
    reads(
        "apply --server-side --force-conflicts -f -",
        ONE,
        "configmap/one serverside-applied",
    ),
    row("get configmap one --output=jsonpath={.data.key}", "1"),
    // patch in its three types, and what is made of it
    row(
        "patch configmap one --type=merge --patch={\"data\":{\"key\":\"3\"}}",
        "patched",
    ),
    row(
        "patch configmap one --type=json --patch=[{\"op\":\"remove\",\"path\":\"/data/big\"}]",
        "patched",
    ),
    row(
        "patch configmap one --type=strategic --patch={\"data\":{\"more\":\"4\"}}",
        "patched",
    ),
    row(
        "get configmap one --output=jsonpath={.data}",
        r#"{"key":"3","more":"4"}"#,
    ),
    row("label configmap one colour=green", "labeled"),
    row("annotate configmap one note=kept", "annotated"),
    reads("replace -f -", TWO, "configmap/one replaced"),
    // a workload, with its subresources
    row(
        "create deployment web --image=localhost/none",
        "deployment.apps/web created",
    ),
    row(
        "scale deployment web --replicas=2",
        "deployment.apps/web scaled",
    ),
    row(
        "wait deployment/web --for=jsonpath={.status.replicas}=2 --timeout=60s",
        "condition met",
    ),
    row("describe deployment web", "ScalingReplicaSet"),
    reads("apply -f -", POD, "pod/pod created"),
    // A pod without a node: the API server has an empty log. That it was asked is seen in its audit log.
    row("logs pod", ""),
    // upgrades reach it too: it says that there is no node
    fails("exec pod -- true", NO_NODE),
    fails("attach pod", NO_NODE),
    // delete one, and wait for it; delete a collection
    row("delete configmap one", "configmap \"one\" deleted"),
    row(
        "delete configmaps --all --wait=false",
        "configmap \"two\" deleted",
    ),
    row(
        "delete deployment web --cascade=foreground --timeout=60s",
        "\"web\" deleted",
    ),
    // RBAC has the last word
    fails("delete namespace verbs", "Forbidden"),
];

#[test]
fn each_verb_of_kubectl_reaches_a_real_api_server() {
    let stack = Stack::with_policy(&[ENGINEERS_VIEW, ENGINEERS_EDIT].concat()).unwrap();
    let cluster = Cluster::shared().unwrap();
    let administrator = cluster.kubectl().unwrap();
    administrator
        .ok(&["create", "namespace", NAMESPACE])
        .unwrap();
    let until_account = [
        "wait",
        "serviceaccount/default",
        "--for=create",
        "--namespace",
        NAMESPACE,
    ];
    administrator.ok(&until_account).unwrap();
    let ben = stack.engineer("ben@example.org").unwrap();
    let kubectl = ben.kubectl("prod").unwrap();
    let namespace = [
        "config",
        "set-context",
        "--current",
        "--namespace",
        NAMESPACE,
    ];
    kubectl.ok(&namespace).unwrap();

    let mut watch = kubectl
        .launch(&["get", "configmaps", "--watch", "--output-watch-events"])
        .spawn()
        .unwrap();
    watch.until_line("ADDED", BOUND).unwrap();
    for row in &TABLE {
        check(&kubectl, row);
    }
    for line in ["MODIFIED   one", "DELETED    one", "DELETED    two"] {
        watch.until_line(line, BOUND).unwrap();
    }
    drop(watch);
    let log = |event: &AuditEvent| {
        let asked = event.object_ref.as_ref();
        asked.is_some_and(|it| it.namespace == NAMESPACE && it.subresource == "log")
    };
    cluster.audited("the log", BOUND, log).unwrap();
    joined::logs_join_one_to_one(&stack, cluster, "ben@example.org");
}

fn check(kubectl: &Kubectl, row: &Row) {
    let args: Vec<_> = row.args.split(' ').collect();
    let finished = kubectl.launch(&args).input(row.input).run().unwrap();
    let said = match row.code {
        0 => &finished.stdout,
        _ => &finished.stderr,
    };
    assert!(
        finished.code == Some(row.code) && said.contains(row.says),
        "kubectl {}: {finished:#?}",
        row.args
    );
}
