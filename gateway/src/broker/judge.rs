//! The gateway's own decision: the same questions for a session that is asked for and for one that runs.

use std::net::IpAddr;
use std::sync::Arc;

use adit_policy::{Decision, Denial, Facts, KubeGroupName};
use adit_proto::Reason;
use adit_proto::key::PublicKey;
use adit_proto::roster::{Cluster, Roster, User};
use adit_proto::sign_in::SignInCeiling;
use adit_proto::target::Target;

use super::{Broker, Denied};
use crate::policy_in_force::InForce;
use crate::store::sign_ins::SignIn;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who<'a> {
    pub(super) device_key: &'a PublicKey,
    pub(super) sign_in: &'a SignIn,
    pub(super) source: IpAddr,
}

/// Proof that the gateway allows it, and what that rests on.
#[derive(Debug)]
pub(super) struct Grounds {
    pub(super) roster: Arc<Roster>,
    pub(super) policy: Arc<InForce>,
    pub(super) facts: Facts,
    pub(super) cluster: Cluster,
    pub(super) user: User,
}

/// A denial with what audit has to know.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) shown: Denied,
    pub(super) reason: Reason,
}

impl From<Denied> for Judged {
    fn from(shown: Denied) -> Self {
        let reason = shown.reason;
        Self { shown, reason }
    }
}

impl From<Reason> for Judged {
    fn from(reason: Reason) -> Self {
        Denied::of(reason).into()
    }
}

impl From<Denial> for Judged {
    fn from(denial: Denial) -> Self {
        Self {
            reason: denial.reason(),
            shown: Denied::with(denial.shown_reason(), denial.to_string()),
        }
    }
}

impl Broker {
    /// Decides whether somebody may reach a target now.
    pub(super) async fn judge(&self, who: Who<'_>, target: &Target) -> Result<Grounds, Judged> {
        let (roster, facts, user) = self.facts(who)?;
        let policy = self.policy_in_force(&roster).await?;
        match policy.policy.decide(&facts, target) {
            Decision::Permit(permit) if permit.target() == target => {}
            Decision::Permit(_) => return Err(Reason::PolicyError.into()),
            Decision::Deny(denial) => return Err(denial.into()),
        }
        // Allowed by a rule for all clusters, say, and there is none of that name: not to be told from forbidden.
        let hidden = || Judged {
            shown: hidden(target),
            reason: Reason::UnknownOrForbidden,
        };
        let cluster = roster.cluster(target.cluster()).ok_or_else(hidden)?.clone();
        if cluster.revoked.is_some() {
            return Err(hidden());
        }
        Ok(Grounds {
            roster,
            policy,
            facts,
            cluster,
            user,
        })
    }

    /// What is known of who asks, with the sign-in verified as a connector does it.
    pub(super) fn facts(&self, who: Who<'_>) -> Result<(Arc<Roster>, Facts, User), Judged> {
        let parts = &self.parts;
        let roster = parts.roster.snapshot().ok_or(Reason::DeviceUnknown)?;
        let device = roster.active_device(&who.device_key.fingerprint())?;
        let suspended = parts.suspensions.current();
        if let Some(suspension) = suspended.against(device.id, device.owner) {
            let detail = format!("suspended: {}", suspension.reason);
            return Err(Denied::with(Reason::DeviceSuspended, detail).into());
        }
        let now = parts.clock.now();
        let ceiling = SignInCeiling {
            max_age: parts.lives.sign_in,
            headless_max_age: parts.lives.headless.unwrap_or_default(),
        };
        let evidence = &who.sign_in.evidence;
        let verified = evidence
            .verify(&roster, who.device_key, &ceiling, now)
            .map_err(|error| Denied::of(error.reason()))?;
        let user = roster
            .user(verified.user_id())
            .ok_or(Reason::DeviceUnknown)?
            .clone();
        // The roster's rule for names is wider than what is safe in a header.
        let name = user.name.parse().map_err(|_| {
            Denied::with(
                Reason::PolicyError,
                "the user's name cannot be used at an API server",
            )
        })?;
        let facts = Facts {
            user_id: user.id,
            user: name,
            groups: user.groups.clone(),
            device: device.id,
            // Keys in files; hardware evidence raises it up to the cap.
            tier: adit_policy::engine::Tier::Identified,
            sign_in_age: now.since(verified.issued()),
            source_address: who.source,
            now,
            touched: false,
        };
        Ok((roster, facts, user))
    }

    pub(super) async fn policy_in_force(&self, roster: &Roster) -> Result<Arc<InForce>, Judged> {
        self.parts.policies.in_force(roster).await.map_err(|error| {
            let reason = Reason::PolicyError;
            let shown = Denied::of(Reason::UnknownOrForbidden);
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "there is no policy to decide by");
            Judged { shown, reason }
        })
    }
}

impl Grounds {
    /// The Kubernetes groups that the gateway would let the user assume, of those within a connector's ceiling.
    pub(super) fn kube_groups(&self, ceiling: &[String]) -> Result<Vec<String>, Judged> {
        let candidates: Vec<KubeGroupName> = ceiling
            .iter()
            .filter_map(|group| group.parse().ok())
            .collect();
        let policy = &self.policy.policy;
        let assumed = policy
            .asking(&self.facts)
            .assume(&self.cluster.name, &candidates)?;
        Ok(assumed.groups().iter().map(ToString::to_string).collect())
    }
}

/// What somebody without permission is told of any target.
pub(super) fn hidden(target: &Target) -> Denied {
    let reason = Reason::UnknownOrForbidden;
    Denied::with(
        reason,
        format!("{target} is unknown or forbidden; {}", reason.repair()),
    )
}
