//! What was decided about one request, as a connector told it.

use adit_proto::Reason;
use adit_proto::wire::audit::RequestIntent;
use adit_proto::wire::link::Explained;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};

/// What was decided about a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The request.
    pub request: Request,
    /// Whether policy allows it. What RBAC says of it is the API server's.
    pub allowed: bool,
    /// Who asks, as the API server would see it.
    pub user: String,
    /// The groups that `assume` gives.
    pub groups: Vec<String>,
    /// The policy that was asked; `None` if it was refused before that.
    pub policy_number: Option<u64>,
    /// The rules that permit it, or the session that it is in.
    pub grounds: Vec<Ground>,
    /// The rules that deny it, as far as the user may know them.
    pub denied_by: Vec<String>,
    /// What would turn the denial into a permit.
    pub missing: Vec<String>,
    /// The reason of a denial.
    pub reason: Option<String>,
    /// Its sentence.
    pub message: Option<String>,
    /// Whether it went to the API server.
    pub carried_out: bool,
    /// The HTTP status that the API server answered with.
    pub status: Option<u16>,
}

/// A request, in the API server's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The verb.
    pub verb: String,
    /// The API group, empty for the core group.
    pub group: String,
    /// Its version.
    pub version: String,
    /// The resource; empty for a path.
    pub resource: String,
    /// The subresource.
    pub subresource: String,
    /// The namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The path of what is no resource, and of a request that the API server passes on.
    pub path: String,
}

/// Rules that permit an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// `connect`, `assume` or `proxy`.
    pub action: String,
    /// Their ids, or `line N`.
    pub rules: Vec<String>,
}

/// All that came of an explanation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What was decided, in the order of the requests.
    pub decided: Vec<Decided>,
    /// Why it is not known of the first request of which it is not.
    pub failed: Option<Failure>,
}

impl Decided {
    /// What `told` says of a request that was answered with `status`.
    #[must_use]
    pub fn new(told: Explained, status: StatusCode) -> Self {
        let mut intent = told.request.unwrap_or_default();
        let some = |text: String| (!text.is_empty()).then_some(text);
        let grounds = told.grounds.into_iter().map(|ground| Ground {
            action: ground.action,
            rules: ground.rules,
        });
        Self {
            allowed: intent.reason.is_empty(),
            user: intent.actor.take().unwrap_or_default().user_name,
            groups: std::mem::take(&mut intent.kube_groups),
            policy_number: Some(told.policy_number).filter(|number| *number > 0),
            grounds: grounds.collect(),
            denied_by: told.denied_by,
            missing: told.missing,
            reason: some(std::mem::take(&mut intent.reason)),
            message: some(told.message),
            carried_out: told.carried_out,
            status: told.carried_out.then(|| status.as_u16()),
            request: intent.into(),
        }
    }

    /// A session that is denied, and with it each request: none was made.
    #[must_use]
    pub fn session(target: String, denied: Failure) -> Self {
        Self {
            request: Request {
                verb: "connect".to_owned(),
                path: target,
                ..Request::default()
            },
            message: Some(match denied.further_repair() {
                None => denied.message.clone(),
                Some(repair) => format!("{}; {repair}", denied.message),
            }),
            reason: denied.code,
            ..Self::default()
        }
    }

    /// Whether it would be denied, by policy or, as far as it was asked, by the API server.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        let by_rbac = self.status == Some(StatusCode::FORBIDDEN.as_u16());
        by_rbac || (!self.allowed && self.undecided().is_none())
    }

    /// Why nobody decided about it: what was refused because something is not there just now, or because it cannot be
    /// read, is not denied.
    #[must_use]
    pub fn undecided(&self) -> Option<Failure> {
        let reason: Reason = self.reason.as_deref()?.parse().ok()?;
        let failure = Failure::of(reason, self.message.as_deref().unwrap_or_default());
        (failure.exit != Exit::Denied).then_some(failure)
    }
}

impl From<RequestIntent> for Request {
    fn from(intent: RequestIntent) -> Self {
        Self {
            verb: intent.verb,
            group: intent.group,
            version: intent.version,
            resource: intent.resource,
            subresource: intent.subresource,
            namespace: intent.namespace,
            name: intent.name,
            path: intent.path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_decided_is_not_denied() {
        let refused = |reason: Reason| Decided {
            reason: Some(reason.to_string()),
            message: Some("no".to_owned()),
            ..Decided::default()
        };
        assert!(refused(Reason::PolicyDenied).is_denied());
        assert!(Decided::default().is_denied(), "whatever the reason");
        let stale = refused(Reason::RosterStale);
        assert!(!stale.is_denied());
        assert_eq!(stale.undecided().unwrap().exit, Exit::Unreachable);
    }

    #[test]
    fn a_status_is_the_api_servers_only_if_it_was_asked() {
        let told = |carried_out| Explained {
            carried_out,
            ..Explained::default()
        };
        let forbidden = |carried_out| Decided::new(told(carried_out), StatusCode::FORBIDDEN);
        assert_eq!(forbidden(true).status, Some(403));
        assert!(forbidden(true).is_denied(), "RBAC denies it");
        assert_eq!(forbidden(false).status, None);
        assert!(!forbidden(false).is_denied());
        assert_eq!(forbidden(false).policy_number, None);
    }

    #[test]
    fn a_denied_session_names_reason_and_repair_once() {
        let denied = Failure::of(
            Reason::PolicyDenied,
            "cluster/prod is denied by policy rule x",
        );
        let decided = Decided::session("cluster/prod".to_owned(), denied);
        assert!(decided.is_denied());
        assert_eq!(decided.reason.as_deref(), Some("policy_denied"));
        let message = decided.message.unwrap();
        assert_eq!(
            message,
            "cluster/prod is denied by policy rule x; ask an admin for access"
        );
        let whole = Decided::session(String::new(), Failure::of(Reason::PolicyDenied, &message));
        assert_eq!(whole.message.as_deref(), Some(message.as_str()));
    }
}
