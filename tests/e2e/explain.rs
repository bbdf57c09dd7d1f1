//! `adit explain kubectl …` on real parts: what would be decided, and that it is not done.

use std::path::Path;

use adit_harness::cluster::{Cluster, binary};
use adit_harness::kubectl::Kubectl;
use adit_harness::process::{Finished, Launch};
use adit_harness::stack::{BOUND, ENGINEERS_EDIT, ENGINEERS_VIEW, Engineer, Stack};
use adit_harness::wait;
use serde_json::{Value, json};

use crate::joined;

/// The API server's proxy is allowed, with a touch.
const PROXY: &str = r#"
@id("engineers-proxy")
permit (principal in Group::"engineers", action == Action::"proxy", resource);
@id("proxy-touch")
forbid (principal, action == Action::"proxy", resource) unless { context.touched };
"#;
const OBJECTS: &str = "{apiVersion: v1, kind: List, items: [\
    {apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {key: \"1\"}}, \
    {apiVersion: v1, kind: Pod, metadata: {name: pod}, spec: {nodeSelector: {kept: pending}, \
    containers: [{name: main, image: localhost/none, imagePullPolicy: Never}]}}]}";
const OTHER: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {key: \"2\"}}";

/// An engineer whose context leads to the namespace, and who would see what is done.
struct Scene {
    /// Where the objects lie: tests share the cluster.
    namespace: &'static str,
    stack: Stack,
    ben: Engineer,
    administrator: Kubectl,
}

impl Scene {
    fn new(namespace: &'static str, policy: &str) -> Self {
        let stack = Stack::with_policy(policy).unwrap();
        let administrator = Cluster::shared().unwrap().kubectl().unwrap();
        administrator
            .ok(&["create", "namespace", namespace])
            .unwrap();
        let in_namespace = |args: &[&str]| {
            let launch = administrator.launch(args);
            launch.args(["--namespace", namespace])
        };
        let until_account = ["wait", "serviceaccount/default", "--for=create"];
        in_namespace(&until_account).run().unwrap().ok().unwrap();
        let objects = in_namespace(&["apply", "-f", "-"]).input(OBJECTS);
        objects.run().unwrap().ok().unwrap();
        let ben = stack.engineer("ben@example.org").unwrap();
        let kubectl = ben.kubectl("prod").unwrap();
        let context = ["config", "set-context", "--current"];
        let context = kubectl.launch(&context).args(["--namespace", namespace]);
        context.run().unwrap().ok().unwrap();
        Self {
            namespace,
            stack,
            ben,
            administrator,
        }
    }

    /// `adit explain` with these words, on a PATH with kubectl.
    fn explaining(&self, line: &str) -> Launch {
        let kubectl = binary("kubectl").unwrap();
        self.explaining_with(kubectl.parent().unwrap(), line)
    }

    fn explaining_with(&self, folder: &Path, line: &str) -> Launch {
        let path = std::env::var("PATH").unwrap_or_default();
        self.ben
            .adit(&["explain"])
            .args(line.split(' '))
            .env("KUBECONFIG", self.ben.folder().join("kubeconfig"))
            .env("PATH", format!("{}:{path}", folder.display()))
    }

    fn explain(&self, line: &str) -> Finished {
        self.explaining(line).run().unwrap()
    }

    /// What is decided, and the exit code.
    fn decided(&self, line: &str) -> (Vec<Value>, Option<i32>) {
        let finished = self.explain(&format!("--json {line}"));
        let decided: Result<Vec<Value>, _> = serde_json::from_str(&finished.stdout);
        assert!(decided.is_ok(), "{line}: {finished:#?}");
        (decided.unwrap(), finished.code)
    }

    /// The data of the config map, and that the pod is there and nobody deletes it.
    fn untouched(&self) {
        let get = |object: &str| {
            let args = ["get", object, "--namespace", self.namespace];
            self.administrator.json(&args).unwrap()
        };
        assert_eq!(get("configmap/one")["data"]["key"], "1");
        assert_eq!(get("pod/pod")["metadata"]["deletionTimestamp"], Value::Null);
    }
}

/// The decision about a verb on a resource.
fn about<'a>(decided: &'a [Value], verb: &str, resource: &str) -> &'a Value {
    let is_it =
        |it: &&Value| it["request"]["verb"] == verb && it["request"]["resource"] == resource;
    let found = decided.iter().find(is_it);
    assert!(found.is_some(), "{verb} {resource}: {decided:#?}");
    found.unwrap()
}

/// It is allowed to Ben, by the rules of [`ENGINEERS_VIEW`] and [`ENGINEERS_EDIT`].
fn allowed(decision: &Value) {
    assert_eq!(decision["allowed"], true, "{decision:#}");
    assert_eq!(decision["user"], "ben@example.org");
    assert_eq!(decision["groups"], json!(["adit-view", "adit-edit"]));
    assert_eq!(decision["grounds"][0]["rules"][0], "engineers-connect");
    assert_eq!(decision["grounds"][1]["rules"][0], "engineers-view");
    assert_eq!(decision["request"]["namespace"], "explained");
}

/// A request of the kind that is denied has its rule, what is missing, and the repair.
fn denial_is_explained(scene: &Scene) {
    let proxied = "kubectl get --raw /api/v1/namespaces/explained/services/web/proxy/";
    let (decided, code) = scene.decided(proxied);
    let denial = decided.last().unwrap();
    assert_eq!((&denial["allowed"], code), (&json!(false), Some(4)));
    assert_eq!(denial["denied_by"], json!(["proxy-touch"]), "{denial:#}");
    assert_eq!(denial["missing"], json!(["a touch"]));
    assert_eq!(denial["reason"], "touch_required");
    let words = scene.explain(proxied);
    assert_eq!(words.code, Some(4));
    for part in [
        "denied by policy",
        "proxy-touch",
        "a touch",
        "touch your key",
    ] {
        assert!(words.stdout.contains(part), "{words:#?}");
    }
}

/// The audit log has what was explained apart from what was done.
fn recorded(scene: &Scene, verb: &str, reason: &str) {
    wait::until(&format!("the record of {verb}"), BOUND, || {
        let events = joined::events(&scene.stack)?;
        let is_it = |it: &Value| {
            it["kind"] == "request_explained" && it["verb"] == verb && it["reason"] == reason
        };
        Ok(events.iter().any(is_it).then_some(()))
    })
    .unwrap();
}

#[test]
fn what_is_explained_is_decided_by_rules_that_are_named_and_is_not_done() {
    let scene = Scene::new(
        "explained",
        &[ENGINEERS_VIEW, ENGINEERS_EDIT, PROXY].concat(),
    );
    let (decided, code) = scene.decided("kubectl get pods");
    let list = about(&decided, "list", "pods");
    allowed(list);
    assert_eq!(
        (code, &list["status"]),
        (Some(0), &Value::from(200)),
        "{list:#}"
    );

    // What kubectl reads to go on is done, and then nothing more.
    let apply = scene.explaining("--json kubectl apply -f -").input(OTHER);
    let apply = apply.run().unwrap();
    let decided: Vec<Value> = serde_json::from_str(&apply.stdout).unwrap();
    assert_eq!(about(&decided, "get", "configmaps")["carried_out"], true);
    for (line, verb, resource, decided) in [
        ("apply", "patch", "configmaps", Some(decided)),
        ("kubectl delete pod pod", "delete", "pods", None),
        ("kubectl get secrets", "list", "secrets", None),
        ("kubectl create configmap two", "create", "configmaps", None),
    ] {
        let (decided, code) = match decided {
            Some(decided) => (decided, apply.code),
            None => scene.decided(line),
        };
        let decision = about(&decided, verb, resource);
        allowed(decision);
        assert_eq!(decision["carried_out"], false, "{line}: {decision:#}");
        assert_eq!(code, Some(0), "{line}");
    }
    let (decided, _) = scene.decided("kubectl exec pod -- touch /x");
    let exec = decided
        .iter()
        .find(|it| it["request"]["subresource"] == "exec");
    allowed(exec.unwrap());
    scene.untouched();

    denial_is_explained(&scene);
    let cluster = Cluster::shared().unwrap();
    joined::logs_join_one_to_one(&scene.stack, cluster, "ben@example.org");
    recorded(&scene, "delete", "");
    recorded(&scene, "get", "touch_required");
}

#[test]
fn the_token_of_an_explanation_carries_nothing_out_then_and_later() {
    let scene = Scene::new("explain-token", &[ENGINEERS_VIEW, ENGINEERS_EDIT].concat());
    let folder = scene.ben.folder().join("wrapped");
    std::fs::create_dir(&folder).unwrap();
    let (real, kept) = (binary("kubectl").unwrap(), folder.join("kept"));
    let script = format!(
        "#!/bin/sh\ncp \"$KUBECONFIG\" {}\nexec {} \"$@\"\n",
        kept.display(),
        real.display()
    );
    let wrapped = folder.join("kubectl");
    std::fs::write(&wrapped, script).unwrap();
    std::process::Command::new("chmod")
        .arg("+x")
        .arg(&wrapped)
        .status()
        .unwrap();
    let explained = scene.explaining_with(&folder, "kubectl delete pod pod");
    let explained = explained.run().unwrap();
    assert_eq!(explained.code, Some(0), "{explained:#?}");
    assert!(
        explained
            .stdout
            .contains("delete pods pod in namespace explain-token\n  allowed")
    );
    assert!(kept.exists(), "{explained:#?}");
    let left = std::fs::read_dir(scene.ben.folder().join("run/adit")).unwrap();
    let left: Vec<_> = left.map(|it| it.unwrap().file_name()).collect();
    assert!(
        !left
            .iter()
            .any(|it| it.to_string_lossy().contains("kubeconfig")),
        "{left:?}"
    );

    let later = scene.ben.kubectl_as_written().unwrap();
    let later = later.env("KUBECONFIG", &kept.display().to_string());
    for args in [&["delete", "pod", "pod"][..], &["get", "pods"]] {
        let refused = later.run(args).unwrap();
        assert_ne!(refused.code, Some(0), "{refused:#?}");
    }
    scene.untouched();
    // Who asks in the ordinary way is not explained meanwhile or afterwards.
    let kubectl = scene.ben.kubectl_as_written().unwrap();
    kubectl
        .ok(&["label", "configmap", "one", "asked=yes"])
        .unwrap();
}

#[test]
fn what_cannot_be_explained_says_what_to_do() {
    let touch = "@id(\"prod-touch\") forbid (principal in Group::\"engineers\", action == Action::\"connect\", \
                 resource) unless { context.touched };";
    let scene = Scene::new("explain-not", ENGINEERS_VIEW);
    let fails = |line: &str, code: i32, says: &[&str]| {
        let finished = scene.explain(line);
        assert_eq!(finished.code, Some(code), "{line}: {finished:#?}");
        let said = [finished.stdout.as_str(), &finished.stderr].concat();
        for part in says {
            assert!(said.contains(part), "{line}: {finished:#?}");
        }
    };
    fails("helm list", 2, &["adit explain kubectl"]);
    fails("kubectl config view", 2, &["asks the cluster for nothing"]);
    fails(
        "kubectl get",
        1,
        &["You must specify the type", "before it asked"],
    );
    fails(
        "kubectl -s https://127.0.0.1:1 get pods",
        2,
        &["-s leads past Adit"],
    );
    fails(
        "kubectl --context nowhere get pods",
        2,
        &["no context nowhere", "--cluster"],
    );
    fails(
        "--cluster elsewhere kubectl get pods",
        4,
        &["unknown_or_forbidden", "adit clusters"],
    );
    fails(
        "kubectl get pod missing",
        1,
        &["\"missing\" not found", "answered 404"],
    );
    // RBAC denies what a reader may not read.
    fails(
        "kubectl get nodes",
        4,
        &["the API server denies it (403)", "adit-view"],
    );

    scene
        .stack
        .admin
        .apply_policy(&[ENGINEERS_VIEW, touch].concat())
        .unwrap();
    let says = [
        "connect cluster/prod\n  denied",
        "prod-touch",
        "a touch",
        "touch_required",
    ];
    fails("kubectl get pods", 4, &says);

    scene.ben.ok(&["logout"]).unwrap();
    fails("kubectl get pods", 3, &["adit login"]);
    scene.untouched();
}
