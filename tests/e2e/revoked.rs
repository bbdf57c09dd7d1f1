//! Revoking ends what is open: each kind while everything is connected, and F57 while something is not.

use std::collections::BTreeSet;
use std::time::Duration;

use adit_harness::stack::{BOUND, Engineer};
use adit_harness::terminal::Terminal;
use anyhow::{Context, Result};
use serde_json::Value;

use crate::busy::{BusyForward, BusyWatch, Stage, sessions_of};

/// Far below the lease (60 s), the idle limit (1 h) and the life of everything: only the revocation can end a stream by
/// then. How fast it really is, is a figure of the benchmarks; this holds on a busy machine.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn revoking_a_device_a_passkey_or_a_user_ends_open_streams_with_its_reason() {
    let stage = Stage::set().unwrap();
    let admin = &stage.stack.admin;
    let (cleo, dora) = ("cleo@example.org", "dora@example.org");

    let engineer = stage.stack.engineer(cleo).unwrap();
    let open = Open::of(&stage, &engineer);
    let devices = admin.json(&["admin", "devices", "list"]).unwrap();
    let device = id_of(&devices["devices"], "owner_name", cleo).unwrap();
    open.ends_by(
        &["admin", "devices", "revoke", &device],
        &["device_revoked"],
    );

    let engineer = stage.stack.engineer(dora).unwrap();
    let open = Open::of(&stage, &engineer);
    let passkeys = admin.json(&["admin", "passkeys", "list"]).unwrap();
    let passkey = id_of(&passkeys["passkeys"], "owner", dora).unwrap();
    open.ends_by(
        &["admin", "passkeys", "revoke", &passkey],
        &["sign_in_required"],
    );

    let open = Open::of(&stage, &stage.ben);
    open.ends_by(
        &["admin", "users", "revoke", "ben@example.org"],
        &["device_revoked"],
    );
}

#[test]
fn revoking_a_session_a_policy_or_a_cluster_ends_open_streams_with_its_reason() {
    let stage = Stage::set().unwrap();

    let open = Open::of(&stage, &stage.ben);
    let sessions = open.sessions.clone();
    let end: Vec<_> = sessions
        .iter()
        .map(|session| vec!["admin", "sessions", "end", session])
        .collect();
    open.ends_by_all(&end, &["session_revoked"]);

    let open = Open::of(&stage, &stage.ben);
    open.ends_by(
        &["admin", "policy", "revoke", "1"],
        &["policy_denied", "unknown_or_forbidden"],
    );

    stage
        .stack
        .admin
        .apply_policy(adit_harness::stack::ENGINEERS_VIEW)
        .unwrap();
    let open = Open::of(&stage, &stage.ben);
    open.ends_by(
        &["admin", "clusters", "revoke", "prod"],
        &["session_revoked", "unknown_or_forbidden"],
    );
}

#[test]
fn a_connection_on_stdin_and_stdout_that_a_revocation_cuts_off_fails_with_its_reason() {
    let stage = Stage::set().unwrap();
    let connect = stage.ben.adit(&["connect", "prod/echo"]);
    let ended = connect.clone().input("whole\n").run().unwrap();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "whole\n"));

    let mut cut = Terminal::start(&connect).unwrap();
    cut.type_in("half\n").unwrap();
    // The terminal's echo, and the service's.
    cut.until("half\r\nhalf\r\n", BOUND).unwrap();
    stage.stack.admin.revoke("ben@example.org").unwrap();
    cut.until("device_revoked", SOON).unwrap();
    assert_eq!(cut.finish(SOON).unwrap(), 4);
}

/// What an engineer has open, busy in every stream.
struct Open<'a> {
    stage: &'a Stage,
    watch: BusyWatch,
    forward: BusyForward,
    sessions: BTreeSet<String>,
}

impl<'a> Open<'a> {
    fn of(stage: &'a Stage, engineer: &Engineer) -> Self {
        let watch = BusyWatch::start(&engineer.kubectl("prod").unwrap()).unwrap();
        let client = stage.stack.network.client();
        let forward = BusyForward::start(engineer, client).unwrap();
        let sessions = sessions_of(engineer).unwrap();
        assert_eq!(sessions.len(), 2, "{sessions:?}");
        Self {
            stage,
            watch,
            forward,
            sessions,
        }
    }

    fn ends_by(self, revocation: &[&str], reasons: &[&str]) {
        let revocation = [revocation, &["--reason", "test"]].concat();
        self.ends_by_all(&[revocation], reasons);
    }

    /// Both streams end at once, and the log says why.
    fn ends_by_all(self, revocations: &[Vec<&str>], reasons: &[&str]) {
        for revocation in revocations {
            self.stage.stack.admin.ok(revocation).unwrap();
        }
        let said = self.forward.cut_off(SOON).unwrap();
        self.watch.ended(SOON).unwrap();
        let mut seen = BTreeSet::new();
        for session in &self.sessions {
            seen.extend(self.stage.over(session).unwrap());
        }
        assert!(
            seen.iter().all(|it| reasons.contains(&it.as_str())),
            "{revocations:?}: {seen:?}"
        );
        assert!(
            reasons.iter().any(|reason| said.contains(reason)),
            "{revocations:?}: {said}"
        );
    }
}

/// The id of the entry that belongs to `owner`.
fn id_of(list: &Value, key: &str, owner: &str) -> Result<String> {
    let entries = list.as_array().context("a list")?;
    let entry = entries.iter().find(|entry| entry[key] == owner);
    let id = entry.and_then(|entry| entry["id"].as_str());
    Ok(id.with_context(|| format!("{owner} in {list}"))?.to_owned())
}
