use std::ffi::OsString;
use std::fs;

use adit_proto::target::Name;
use tokio::net::UnixListener;

use super::*;
use crate::kubeconfig::{Endpoint, Wanted};
use crate::profile::tests::{paths, profile};

/// A machine with profiles, each with a key and a context of its own in one kubeconfig.
struct Machine {
    paths: Paths,
    kubeconfig: PathBuf,
    files: Files,
    _scratch: tempfile::TempDir,
}

fn name(text: &str) -> ProfileName {
    text.parse().unwrap()
}

fn machine(names: &[&str]) -> Machine {
    let scratch = tempfile::tempdir().unwrap();
    let paths = paths(scratch.path());
    let kubeconfig = scratch.path().join("kubeconfig");
    let files = Files::find(Some(kubeconfig.clone()), |_| None::<OsString>).unwrap();
    let clusters: [Name; 1] = ["prod".parse().unwrap()];
    for profile_name in names.iter().map(|text| name(text)) {
        profile().save(&paths, &profile_name).unwrap();
        fs::write(profile::key_file(&paths, &profile_name), "key").unwrap();
        let endpoint = Endpoint {
            profile: profile_name,
            several: true,
            port: 20_001,
            certificate_pem: "certificate".to_owned(),
            program: "/usr/bin/adit".into(),
        };
        let wanted = Wanted {
            endpoint: &endpoint,
            clusters: &clusters,
            allowed: &clusters,
        };
        files.bring_to(&wanted).unwrap();
    }
    Machine {
        paths,
        kubeconfig,
        files,
        _scratch: scratch,
    }
}

impl Machine {
    fn contexts(&self) -> String {
        fs::read_to_string(&self.kubeconfig).unwrap()
    }
}

#[tokio::test]
async fn the_last_profile_goes_without_an_agent_and_leaves_nothing() {
    let machine = machine(&["one"]);
    let done = remove(&machine.paths, &name("one"), &machine.files)
        .await
        .unwrap();
    assert_eq!(done.signed_out, None, "there is no agent to sign out");
    assert!(!done.agent.as_ref().unwrap());
    let shown = done.as_json(&name("one"));
    assert_eq!(shown["contexts"][0]["removed"][0], "adit-one-prod");
    assert!(
        !machine.contexts().contains("adit-one"),
        "{}",
        machine.contexts()
    );
    assert!(!machine.paths.profile(&name("one")).exists());
    let none = Failure::from(profile::choose(&machine.paths, None).unwrap_err());
    assert!(none.to_string().contains("adit enrol"), "{none}");
}

#[tokio::test]
async fn the_others_keep_their_contexts_keys_and_state() {
    let machine = machine(&["one", "two"]);
    profile::make_default(&machine.paths, &name("one")).unwrap();
    remove(&machine.paths, &name("one"), &machine.files)
        .await
        .unwrap();
    let contexts = machine.contexts();
    assert!(contexts.contains("adit-two-prod") && !contexts.contains("adit-one"));
    assert!(profile::key_file(&machine.paths, &name("two")).exists());
    let next = profile::choose(&machine.paths, None).unwrap();
    assert_eq!(next, name("two"));
}

#[tokio::test]
async fn a_name_that_is_none_changes_nothing() {
    let machine = machine(&["one"]);
    let args = RemoveArgs {
        name: name("other"),
        yes: true,
        kubeconfig: Some(machine.kubeconfig.clone()),
    };
    let before = machine.contexts();
    let failure = args.run(&machine.paths, false).await.unwrap_err();
    assert!(
        failure.to_string().contains("adit profile list"),
        "{failure}"
    );
    assert_eq!(machine.contexts(), before);
    assert!(machine.paths.profile(&name("one")).exists());
}

#[tokio::test]
async fn without_a_terminal_it_is_removed_by_yes_alone() {
    let machine = machine(&["one"]);
    let args = RemoveArgs {
        name: name("one"),
        yes: false,
        kubeconfig: None,
    };
    let failure = args.asked(&machine.paths, false).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.to_string().contains("--yes"), "{failure}");
}

#[tokio::test]
async fn contexts_that_cannot_be_removed_keep_the_profile() {
    let machine = machine(&["one"]);
    fs::write(machine.kubeconfig.with_extension("lock"), "").unwrap();
    let refused = remove(&machine.paths, &name("one"), &machine.files).await;
    assert!(refused.unwrap_err().repair.is_some());
    assert!(profile::key_file(&machine.paths, &name("one")).exists());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_answer_stops_nothing_but_is_told_of() {
    let machine = machine(&["one"]);
    // It takes connections and says nothing.
    let _silent = UnixListener::bind(machine.paths.socket()).unwrap();
    let done = remove(&machine.paths, &name("one"), &machine.files)
        .await
        .unwrap();
    let failure = done.agent.unwrap_err();
    assert!(failure.to_string().contains("adit agent stop"), "{failure}");
    assert!(!machine.paths.profile(&name("one")).exists());
}
