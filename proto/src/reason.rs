//! Why something was denied: one stable list for audit, `Status`, close codes, API errors and metrics.

use std::fmt;
use std::str::FromStr;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal $status:literal $repair:literal;)*) => {
        /// Why something was denied, and what repairs it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason, in the order of its code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable snake_case name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The application error code on QUIC streams and connections (RFC 9000, section 20.2).
            #[must_use]
            pub fn code(self) -> u32 {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that carries it.
            #[must_use]
            pub fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// What whoever is denied can do about it.
            #[must_use]
            pub fn repair(self) -> &'static str {
                match self { $(Self::$name => $repair,)* }
            }

            /// The reason behind a code of [`Reason::code`].
            #[must_use]
            pub fn from_code(code: u64) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

reasons! {
    /// The target does not exist, is forbidden or is offline, and the caller may not know which.
    UnknownOrForbidden = 1 "unknown_or_forbidden" 403 "check the name with `adit clusters`, or ask an admin for access";
    /// Nobody is signed in on this device.
    SignInRequired = 2 "sign_in_required" 401 "run `adit login`";
    /// The sign-in has ended.
    SignInExpired = 3 "sign_in_expired" 401 "run `adit login`";
    /// The device key is not in the roster.
    DeviceUnknown = 4 "device_unknown" 403 "ask an admin for an invitation and run `adit enrol`";
    /// The device waits for an admin.
    DevicePending = 5 "device_pending" 403 "ask an admin to approve this device";
    /// The gateway suspended the device.
    DeviceSuspended = 6 "device_suspended" 403 "ask an admin to resume this device";
    /// The device was revoked.
    DeviceRevoked = 7 "device_revoked" 403 "ask an admin for an invitation and run `adit enrol`";
    /// The device's tier does not suffice.
    TierTooLow = 8 "tier_too_low" 403 "use a device with stronger attestation";
    /// A posture fact is too old.
    PostureStale = 9 "posture_stale" 403 "run `adit status` and wait for a fresh attestation";
    /// No policy allows it, or one forbids it.
    PolicyDenied = 10 "policy_denied" 403 "ask an admin for access";
    /// A policy could not be evaluated.
    PolicyError = 11 "policy_error" 403 "ask an admin to run `adit admin policy check`";
    /// A group lies above the connector's ceiling.
    GroupAboveCeiling = 12 "group_above_ceiling" 403 "ask the cluster's owner to raise the connector's ceiling";
    /// A touch is needed.
    TouchRequired = 13 "touch_required" 403 "repeat the command in a terminal and touch your key";
    /// The touch came too late.
    TouchExpired = 14 "touch_expired" 403 "repeat the command and touch your key in time";
    /// The touch does not verify.
    TouchInvalid = 15 "touch_invalid" 403 "repeat the command with a passkey of your own";
    /// A second person has to approve.
    CoSignRequired = 16 "co_sign_required" 403 "ask a second person to approve";
    /// The connector of the target is not there.
    TargetOffline = 17 "target_offline" 503 "try again; `adit clusters` shows when the connector was last seen";
    /// No gateway answers.
    GatewayUnreachable = 18 "gateway_unreachable" 503 "check the network; UDP and TCP to the gateway's port must be open";
    /// The gateway was not heard for a whole lease.
    LeaseExpired = 19 "lease_expired" 503 "try again when the gateway is back";
    /// The session was revoked.
    SessionRevoked = 20 "session_revoked" 403 "run the command again to open a new session, if you still may";
    /// The session was idle for too long.
    SessionIdle = 21 "session_idle" 403 "run the command again";
    /// The session has ended.
    SessionExpired = 22 "session_expired" 403 "run the command again";
    /// A limit is reached.
    LimitReached = 23 "limit_reached" 429 "close what you no longer need; `adit sessions` shows it";
    /// Too many requests.
    RateLimited = 24 "rate_limited" 429 "wait a moment and try again";
    /// The request cannot be parsed.
    RequestMalformed = 25 "request_malformed" 400 "check the request";
    /// The request is of a kind that is not carried.
    RequestUnsupported = 26 "request_unsupported" 400 "this kind of request is not carried by this version";
    /// Impersonation was asked for and is not allowed.
    ImpersonationRefused = 27 "impersonation_refused" 403 "leave out --as and --as-group";
    /// The recorder is not available.
    RecorderUnavailable = 28 "recorder_unavailable" 503 "ask the cluster's owner to check the recordings' store";
    /// The audit log cannot be written.
    AuditUnavailable = 29 "audit_unavailable" 503 "ask whoever runs it to check the disk of that audit log";
    /// Evidence does not verify.
    EvidenceInvalid = 30 "evidence_invalid" 403 "run `adit login`; if it persists, run `adit enrol` again";
    /// The roster is not up to date.
    RosterStale = 31 "roster_stale" 503 "try again in a moment";
    /// Two branches of the roster were seen.
    RosterFork = 32 "roster_fork" 503 "tell an admin: the gateway shows two histories";
    /// The other side is too old or too new.
    VersionUnsupported = 33 "version_unsupported" 403 "bring client, gateway and connector to one version";
    /// The clocks differ by more than five minutes.
    ClockSkew = 34 "clock_skew" 403 "set this machine's clock";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a reason that this version knows")]
pub struct UnknownReason;

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == text)
            .ok_or(UnknownReason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_read_back() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
            assert_eq!(Reason::from_code(reason.code().into()), Some(*reason));
        }
    }

    #[test]
    fn there_are_thirty_four_with_codes_of_their_own() {
        let mut codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        codes.dedup();
        assert_eq!(codes, (1..=34).collect::<Vec<_>>());
    }
}
