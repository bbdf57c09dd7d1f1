//! How a command ends: its exit code, and a failure with what repairs it.

use std::fmt;
use std::process::ExitCode;

use adit_proto::Reason;
use serde::{Deserialize, Serialize};

/// The exit codes of `adit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Exit {
    /// 0: done.
    Done = 0,
    /// 1: failed.
    Failed = 1,
    /// 2: the command line is wrong.
    Usage = 2,
    /// 3: sign in first.
    SignIn = 3,
    /// 4: denied.
    Denied = 4,
    /// 5: the gateway or the target cannot be reached.
    Unreachable = 5,
    /// 6: waits for an admin.
    Waits = 6,
    /// 130: interrupted.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Reason> for Exit {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::SignInRequired | Reason::SignInExpired => Self::SignIn,
            Reason::DevicePending => Self::Waits,
            Reason::GatewayUnreachable
            | Reason::TargetOffline
            | Reason::LeaseExpired
            | Reason::RosterStale => Self::Unreachable,
            Reason::RequestMalformed
            | Reason::RequestUnsupported
            | Reason::LimitReached
            | Reason::RateLimited
            | Reason::RecorderUnavailable
            | Reason::AuditUnavailable
            | Reason::ClockSkew => Self::Failed,
            Reason::UnknownOrForbidden
            | Reason::DeviceUnknown
            | Reason::DeviceSuspended
            | Reason::DeviceRevoked
            | Reason::TierTooLow
            | Reason::PostureStale
            | Reason::PolicyDenied
            | Reason::PolicyError
            | Reason::GroupAboveCeiling
            | Reason::TouchRequired
            | Reason::TouchExpired
            | Reason::TouchInvalid
            | Reason::CoSignRequired
            | Reason::SessionRevoked
            | Reason::SessionIdle
            | Reason::SessionExpired
            | Reason::ImpersonationRefused
            | Reason::EvidenceInvalid
            | Reason::RosterFork
            | Reason::VersionUnsupported => Self::Denied,
        }
    }
}

/// Why something was not done, as it is shown to the person and sent over the agent's socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// How the command ends.
    pub exit: Exit,
    /// The reason's stable name, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What happened, one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
}

impl Failure {
    /// A failure without a reason of the protocol.
    pub fn new(message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Failed,
            code: None,
            message: message.to_string(),
            repair: None,
        }
    }

    /// A failure for a reason of the protocol, with its repair.
    pub fn of(reason: Reason, message: impl fmt::Display) -> Self {
        Self {
            exit: reason.into(),
            code: Some(reason.as_str().to_owned()),
            message: message.to_string(),
            repair: Some(reason.repair().to_owned()),
        }
    }

    /// The same with another exit code.
    #[must_use]
    pub fn exiting(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The same with another repair.
    #[must_use]
    pub fn repaired_by(mut self, repair: impl fmt::Display) -> Self {
        self.repair = Some(repair.to_string());
        self
    }

    /// Whether a sign-in helps: there is none that counts.
    #[must_use]
    pub fn wants_sign_in(&self) -> bool {
        matches!(
            self.reason(),
            Some(Reason::SignInRequired | Reason::SignInExpired)
        )
    }

    /// What to do about it, unless the message ends with that already.
    #[must_use]
    pub fn further_repair(&self) -> Option<&str> {
        let repair = self.repair.as_deref()?;
        (!self.message.ends_with(repair)).then_some(repair)
    }

    /// The reason of the protocol, if there is one that this version knows.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.code.as_deref()?.parse().ok()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        if let Some(repair) = self.further_repair() {
            write!(f, "\n  {repair}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_reason_and_repair_and_survives_the_socket() {
        let failure = Failure::of(Reason::SignInRequired, "nobody is signed in");
        assert_eq!(failure.exit, Exit::SignIn);
        assert_eq!(
            failure.to_string(),
            "nobody is signed in (sign_in_required)\n  run `adit login`"
        );
        let said = Failure::of(
            Reason::SignInRequired,
            "nobody is signed in: run `adit login`",
        );
        assert_eq!(said.to_string().matches("adit login").count(), 1);
        let text = serde_json::to_string(&failure).unwrap();
        let read: Failure = serde_json::from_str(&text).unwrap();
        assert_eq!(read, failure);
        assert_eq!(read.reason(), Some(Reason::SignInRequired));
    }
}
