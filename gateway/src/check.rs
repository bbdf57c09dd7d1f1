//! `check`: says what is wrong and what to do about it, and changes nothing.

use std::fmt;

use adit_proto::roster::Roster;
use adit_transport::secret_file::{self, Readers};

use crate::app::founding;
use crate::config::Config;
use crate::policy_in_force::{Policies, PolicyUnavailable};
use crate::roster_log::RosterLog;
use crate::state::{Keys, StateDir};
use crate::store::Store;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Good,
    /// It runs, and somebody should do something.
    Advice,
    /// It does not run, or nobody can use it.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub grade: Grade,
    /// What was seen, and what to do.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = match self.grade {
            Grade::Good => "good  ",
            Grade::Advice => "advice",
            Grade::Bad => "BAD   ",
        };
        write!(f, "{grade}  {}", self.text)
    }
}

fn finding(grade: Grade, text: impl Into<String>) -> Finding {
    let text = text.into();
    Finding { grade, text }
}

/// The error with what caused it, in one line.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Looks at everything that `run` needs, as far as each step lets the next be looked at.
pub async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(listeners(config));
    let state = StateDir::new(&config.state_dir);
    let keys = match state.load() {
        Ok(keys) => keys,
        Err(error) => {
            let repair = if error.is_missing() {
                "; run `adit-gateway init`"
            } else {
                ""
            };
            findings.push(finding(Grade::Bad, format!("{}{repair}", whole(&error))));
            return findings;
        }
    };
    let print = keys.gateways.public_key().fingerprint();
    findings.push(finding(
        Grade::Good,
        format!("the gateways' key is {print}"),
    ));
    if let Some(path) = state.successor_here() {
        let text = format!(
            "{} is the gateways' next key; take it away and keep it offline",
            path.display()
        );
        findings.push(finding(Grade::Advice, text));
    }
    if config.insecure_software_authenticator {
        let text = "insecure_software_authenticator is on: anybody's copied file can sign in; for tests only";
        findings.push(finding(Grade::Advice, text));
    }
    match Store::open(&config.database).await {
        Ok(store) => {
            findings.push(finding(
                Grade::Good,
                "the database is there and has this version's tables",
            ));
            findings.extend(roster(config, &keys, &store).await);
            store.close().await;
        }
        Err(error) => findings.push(finding(Grade::Bad, whole(&error))),
    }
    findings
}

fn listeners(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Whether the port is free is not known while a gateway runs, so a taken one is only mentioned.
    let taken = std::net::UdpSocket::bind(config.listen).is_err();
    findings.push(if taken {
        let text = format!(
            "UDP {} cannot be bound: a gateway runs there already, or the address is not this machine's",
            config.listen
        );
        finding(Grade::Advice, text)
    } else {
        finding(Grade::Good, format!("UDP {} can be bound", config.listen))
    });
    if let Some(files) = &config.tls {
        if let Err(error) = std::fs::metadata(&files.cert_file) {
            let text = format!("tls.cert_file {}: {error}", files.cert_file.display());
            findings.push(finding(Grade::Bad, text));
        }
        if let Err(error) = secret_file::read(&files.key_file, Readers::OwnerAndGroup) {
            findings.push(finding(
                Grade::Bad,
                format!("tls.key_file: {}", whole(&error)),
            ));
        }
    }
    findings
}

async fn roster(config: &Config, keys: &Keys, store: &Store) -> Vec<Finding> {
    let read = RosterLog::read(store, &founding(config, keys)).await;
    let roster = match read {
        Ok(Some(roster)) => roster,
        Ok(None) => {
            let text = "there is no genesis yet: `adit-gateway init` prints the first invitation, `adit enrol` uses it";
            return vec![finding(Grade::Advice, text)];
        }
        Err(error) => return vec![finding(Grade::Bad, whole(&error))],
    };
    let mut findings = vec![finding(
        Grade::Good,
        format!("the roster verifies: {} statements", roster.head().number),
    )];
    findings.push(policy(store, &roster).await);
    findings
}

async fn policy(store: &Store, roster: &Roster) -> Finding {
    match Policies::new(store.clone()).in_force(roster).await {
        Ok(policy) => finding(Grade::Good, format!("policy {} is in force", policy.number)),
        Err(PolicyUnavailable::None) => finding(
            Grade::Advice,
            "no policy is in force, so nobody reaches anything; run `adit admin policy apply FILE`",
        ),
        Err(error) => finding(Grade::Bad, whole(&error)),
    }
}
