//! `adit doctor`: what works on this machine and what does not, each finding with what repairs it.
//!
//! Each check looks at one thing and depends on no other, so that the first cause is among the findings and not behind
//! them. Nothing is changed. What a check cannot see because of another finding is said to be skipped.

mod gateway;
mod machine;

use serde::Serialize;
use serde_json::Value;

use crate::agent::protocol::SeatStatus;
use crate::cli::Global;
use crate::exit::Failure;
use crate::paths::Paths;
use crate::profile::{Profile, ProfileName};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It works.
    Good,
    /// It works, but something should be looked after.
    Warning,
    /// It does not work.
    Bad,
    /// It could not be looked at.
    Skipped,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How bad it is.
    pub verdict: Verdict,
    /// What was seen.
    pub detail: String,
    /// What repairs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
}

impl Finding {
    fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(check, Verdict::Good, detail.into())
    }

    fn skipped(check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skipped, detail.into())
    }

    fn warning(check: &'static str, detail: impl Into<String>, repair: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warning, detail.into()).repaired_by(repair.into())
    }

    fn bad(check: &'static str, detail: impl Into<String>, repair: impl Into<String>) -> Self {
        Self::new(check, Verdict::Bad, detail.into()).repaired_by(repair.into())
    }

    fn of(check: &'static str, failure: &Failure) -> Self {
        Self {
            repair: failure.repair.clone(),
            ..Self::new(check, Verdict::Bad, failure.message.clone())
        }
    }

    fn new(check: &'static str, verdict: Verdict, detail: String) -> Self {
        Self {
            check,
            verdict,
            detail,
            repair: None,
        }
    }

    fn repaired_by(self, repair: String) -> Self {
        Self {
            repair: Some(repair),
            ..self
        }
    }
}

/// What the checks look at.
struct Patient<'a> {
    global: &'a Global,
    paths: Paths,
    name: ProfileName,
    profile: Profile,
    /// What the agent says of the profile.
    seat: Result<SeatStatus, Failure>,
    /// What the gateway says of the caller.
    who: Option<Value>,
}

/// Looks at everything.
///
/// # Errors
/// When not even the directories can be used; everything else is a finding.
pub async fn examine(global: &Global) -> Result<Vec<Finding>, Failure> {
    let paths = global.paths()?;
    let (name, profile) = match enrolled(global, &paths) {
        Ok(enrolled) => enrolled,
        Err(failure) => return Ok(vec![Finding::of("enrolment", &failure)]),
    };
    let mut findings = vec![Finding::good(
        "enrolment",
        format!("profile {name}, device {}", profile.device),
    )];
    let asked = global.ask("status", Value::Null).await;
    let seat = asked.and_then(|status| serde_json::from_value(status).map_err(Failure::new));
    let connected = seat.as_ref().is_ok_and(|seat: &SeatStatus| seat.connected);
    let who = if connected {
        let call = serde_json::json!({"method": "GET", "path": "/v1/whoami"});
        global.ask("api", call).await.ok()
    } else {
        None
    };
    let patient = Patient {
        global,
        paths,
        name,
        profile,
        seat,
        who,
    };
    findings.push(machine::agent(&patient).await);
    findings.push(machine::private_files(&patient));
    findings.push(gateway::name(&patient).await);
    findings.push(gateway::connection(&patient));
    findings.push(gateway::version(&patient));
    findings.push(gateway::clock(&patient));
    findings.push(gateway::roster(&patient));
    findings.push(gateway::sign_in(&patient));
    findings.push(gateway::policy(&patient).await);
    findings.push(machine::listener(&patient));
    findings.push(machine::kubeconfig(&patient).await);
    Ok(findings)
}

fn enrolled(global: &Global, paths: &Paths) -> Result<(ProfileName, Profile), Failure> {
    let name = global.chosen_profile()?;
    let profile = Profile::load(paths, &name).map_err(|error| {
        Failure::new(error).repaired_by("enrol this machine again with `adit enrol`")
    })?;
    Ok((name, profile))
}
