use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// What kubectl wrote, with what people do to it.
const OLD: &str = r#"# mine: do not touch
apiVersion: v1
clusters:
- cluster:
    # the old one
    server:   https://old.example.org:6443
    insecure-skip-tls-verify: true
  name: "old"   # größe
contexts:
  - context: {cluster: old, user: old-user, namespace: default}
    name: old

current-context: old
kind: Config
preferences: {}
users:
- name: old-user
  user:
    token: |
      secret
      lines
"#;

fn endpoint() -> Endpoint {
    Endpoint {
        profile: "default".parse().unwrap(),
        several: false,
        port: 20_001,
        certificate_pem: "-----BEGIN CERTIFICATE-----\n".to_owned(),
        program: "/usr/bin/adit".into(),
    }
}

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn changed(
    text: &str,
    endpoint: &Endpoint,
    clusters: &[&str],
    allowed: &[&str],
) -> (String, Changes) {
    let (clusters, allowed) = (names(clusters), names(allowed));
    let wanted = Wanted {
        endpoint,
        clusters: &clusters,
        allowed: &allowed,
    };
    let have = present(text, endpoint).unwrap();
    let missing: Vec<_> = clusters
        .iter()
        .filter(|it| !have.contains(&it.as_str().to_owned()))
        .cloned()
        .collect();
    change(text, &wanted, &missing).unwrap()
}

fn value(text: &str) -> Value {
    yaml_serde::from_str(text).unwrap()
}

/// Whether the lines of `before` are in `after`, all of them and in order.
fn keeps_lines(before: &str, after: &str) -> bool {
    let mut rest = after.lines();
    before.lines().all(|line| rest.any(|other| other == line))
}

#[test]
fn a_new_context_leaves_every_other_byte_alone() {
    let (after, changes) = changed(OLD, &endpoint(), &["prod"], &["prod"]);
    assert_eq!(changes.added, ["adit-prod"]);
    assert!(keeps_lines(OLD, &after), "{after}");
    let added = after.lines().count() - OLD.lines().count();
    assert_eq!(added, 4 + 4 + 11, "{after}");
    let value = value(&after);
    assert_eq!(
        value["clusters"][1]["cluster"]["server"],
        "https://127.0.0.1:20001/k/prod"
    );
    assert_eq!(value["contexts"][1]["context"]["cluster"], "adit-prod");
    assert_eq!(
        value["users"][1]["user"]["exec"]["command"],
        "/usr/bin/adit"
    );
    assert_eq!(
        value["users"][1]["user"]["exec"]["interactiveMode"],
        "IfAvailable"
    );
    assert_eq!(value["current-context"], "old");
    let (gone, changes) = changed(&after, &endpoint(), &[], &[]);
    assert_eq!(changes.removed, ["adit-prod"]);
    assert_eq!(gone, OLD, "what was added goes without a trace");
}

#[test]
fn writing_again_changes_nothing_and_a_move_changes_three_values() {
    let (once, _) = changed(OLD, &endpoint(), &["prod", "test"], &["prod", "test"]);
    let (twice, changes) = changed(&once, &endpoint(), &["prod"], &["prod", "test"]);
    assert_eq!((twice, changes.kept.len()), (once.clone(), 2));
    let moved = Endpoint {
        port: 20_002,
        program: "/opt/adit".into(),
        ..endpoint()
    };
    let (after, _) = changed(&once, &moved, &[], &["prod", "test"]);
    let differ = once
        .lines()
        .zip(after.lines())
        .filter(|(one, two)| one != two);
    assert_eq!(differ.count(), 4);
    assert_eq!(
        value(&after)["clusters"][2]["cluster"]["server"],
        "https://127.0.0.1:20002/k/test"
    );
    assert_eq!(
        value(&after)["users"][1]["user"]["exec"]["command"],
        "/opt/adit"
    );
}

#[test]
fn a_namespace_that_the_person_chose_stays_even_when_the_name_changes() {
    let (once, _) = changed(OLD, &endpoint(), &["prod"], &["prod"]);
    let chosen = once.replace(
        "      cluster: adit-prod\n",
        "      cluster: adit-prod\n      namespace: shop # mine\n",
    );
    let moved = Endpoint {
        port: 20_002,
        ..endpoint()
    };
    let (after, _) = changed(&chosen, &moved, &["prod"], &["prod"]);
    assert!(after.contains("      namespace: shop # mine\n"), "{after}");
    let several = Endpoint {
        several: true,
        ..moved
    };
    let (after, changes) = changed(&after, &several, &["prod"], &["prod"]);
    assert_eq!(changes.added, ["adit-default-prod"]);
    assert_eq!(changes.removed, ["adit-prod"]);
    assert_eq!(value(&after)["contexts"][1]["context"]["namespace"], "shop");
    assert!(keeps_lines(OLD, &after));
}

#[test]
fn entries_of_other_profiles_and_of_other_programs_are_not_touched() {
    let other = Endpoint {
        profile: "work".parse().unwrap(),
        several: true,
        ..endpoint()
    };
    let (text, _) = changed(OLD, &other, &["prod"], &["prod"]);
    let (after, changes) = changed(&text, &endpoint(), &[], &[]);
    assert_eq!((after, changes), (text, Changes::default()));
    let foreign = OLD.replace("name: old\n", "name: adit-prod\n");
    let wanted = names(&["prod"]);
    let endpoint = endpoint();
    let all = Wanted {
        endpoint: &endpoint,
        clusters: &wanted,
        allowed: &wanted,
    };
    assert!(matches!(
        change(&foreign, &all, &wanted),
        Err(Unchanged::Foreign(_))
    ));
}

#[test]
fn empty_missing_null_flow_and_json_lists_are_filled_and_emptied() {
    for text in [
        "",
        "# nothing here",
        "apiVersion: v1\nkind: Config\n",
        "apiVersion: v1\nclusters: []\ncontexts: null\nusers:\ncurrent-context: \"\"\n",
        "apiVersion: v1\nclusters: [] # none\ncontexts: ~\nusers: # none\nkind: Config",
        "{\"apiVersion\": \"v1\", \"kind\": \"Config\"}\n",
        "{\"apiVersion\": \"v1\", \"clusters\": [], \"contexts\": [], \"users\": []}",
        "{\"clusters\": [{\"name\": \"a\", \"cluster\": {\"server\": \"b\"}}],\n \"users\": []}",
    ] {
        let (after, changes) = changed(text, &endpoint(), &["one", "two"], &["one", "two"]);
        assert_eq!(changes.added.len(), 2, "{text}");
        let read = value(&after);
        for key in ["clusters", "contexts", "users"] {
            let last = read[key].as_array().unwrap().last().unwrap();
            assert_eq!(last["name"], "adit-two", "{after}");
        }
        if text.starts_with('{') {
            serde_json::from_str::<Value>(&after).expect("still JSON");
        }
        let (gone, changes) = changed(&after, &endpoint(), &[], &["two"]);
        assert_eq!(changes.removed, ["adit-one"], "{text}");
        let (gone, _) = changed(&gone, &endpoint(), &[], &[]);
        assert!(!gone.contains("adit"), "{gone}");
    }
}

#[test]
fn what_is_no_kubeconfig_is_refused() {
    for text in [
        "- a\n",
        "just text",
        "a: [\n",
        "clusters: {a: b}\n",
        "a: 1\n---\nb: 2\n",
    ] {
        let wanted = names(&["prod"]);
        let endpoint = endpoint();
        let all = Wanted {
            endpoint: &endpoint,
            clusters: &wanted,
            allowed: &wanted,
        };
        assert!(change(text, &all, &wanted).is_err(), "{text}");
    }
}

#[test]
fn a_list_of_files_is_handled_as_kubectl_does_and_modes_and_links_stay() {
    let scratch = tempfile::tempdir().unwrap();
    let [missing, one, two, link] =
        ["missing", "one", "two", "link"].map(|name| scratch.path().join(name));
    fs::write(&one, OLD).unwrap();
    fs::write(&two, "").unwrap();
    fs::set_permissions(&one, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&one, &link).unwrap();
    let list = std::env::join_paths([&missing, &link, &two]).unwrap();
    let files = Files::find(None, |name| (name == "KUBECONFIG").then(|| list.clone())).unwrap();
    let (wanted, endpoint) = (names(&["prod"]), endpoint());
    let all = Wanted {
        endpoint: &endpoint,
        clusters: &wanted,
        allowed: &wanted,
    };
    let written = files.bring_to(&all).unwrap();
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].file, link);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(
        fs::metadata(&one).unwrap().permissions().mode() & 0o7777,
        0o640
    );
    assert!(fs::read_to_string(&one).unwrap().contains("adit-prod"));
    assert!(!missing.exists());
    // An entry stays in the file that has it, though the first file exists now.
    fs::write(&missing, "").unwrap();
    assert_eq!(files.bring_to(&all).unwrap()[0].file, link);
    let none = Wanted {
        clusters: &[],
        allowed: &[],
        ..all
    };
    files.bring_to(&none).unwrap();
    assert_eq!(fs::read_to_string(&one).unwrap(), OLD);
    assert_eq!(
        fs::read_dir(scratch.path()).unwrap().count(),
        4,
        "no lock, no temporary file"
    );
}

#[test]
fn a_new_file_is_private_and_a_lock_is_respected() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("kube/config");
    let files = Files::find(Some(file.clone()), |_| None).unwrap();
    let (wanted, endpoint) = (names(&["prod"]), endpoint());
    let all = Wanted {
        endpoint: &endpoint,
        clusters: &wanted,
        allowed: &wanted,
    };
    files.bring_to(&all).unwrap();
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let lock = scratch.path().join("kube/config.lock");
    fs::write(&lock, "").unwrap();
    assert!(matches!(
        files.bring_to(&all),
        Err(KubeconfigError::Locked { .. })
    ));
    assert!(lock.exists());
}

#[test]
fn a_single_context_becomes_the_current_one_where_there_was_none_and_goes_with_its_name() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("config");
    let files = Files::find(Some(file.clone()), |_| None).unwrap();
    let current = || value(&fs::read_to_string(&file).unwrap())["current-context"].clone();
    let bring = |endpoint: &Endpoint, clusters: &[&str]| {
        let clusters = names(clusters);
        let all = Wanted {
            endpoint,
            clusters: &clusters,
            allowed: &clusters,
        };
        files.bring_to(&all).unwrap();
    };
    let several = Endpoint {
        several: true,
        ..endpoint()
    };
    for vacant in [
        "",
        "apiVersion: v1\nkind: Config",
        "contexts: []\ncurrent-context: \"\" # none\n",
        "{\"contexts\": [], \"current-context\": \"\"}",
    ] {
        fs::write(&file, vacant).unwrap();
        bring(&endpoint(), &["prod"]);
        assert_eq!(current(), "adit-prod", "{vacant}");
        // A second one changes nothing, nor does a second profile but the name.
        bring(&endpoint(), &["prod", "test"]);
        assert_eq!(current(), "adit-prod", "{vacant}");
        bring(&several, &["prod", "test"]);
        assert_eq!(current(), "adit-default-prod", "{vacant}");
        files.remove(&several.profile).unwrap();
        assert_eq!(current(), "", "{vacant}");
    }
    let others = OLD.replace("current-context: old\n", "");
    for (text, clusters) in [("", &["one", "two"][..]), (&others, &["one"])] {
        fs::write(&file, text).unwrap();
        bring(&endpoint(), clusters);
        assert!(current().is_null(), "{text}");
    }
}
