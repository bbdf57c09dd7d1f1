//! Verifying an offer: nobody's word is taken.
//!
//! The gateway offers; the roster, the evidence, the newest policy and the ceiling of the configuration decide. Pure:
//! no I/O, no clock. Each rule has a test that a gateway which lies cannot get past it.

use std::net::IpAddr;
use std::time::Duration;

use adit_policy::engine::{Asking, Tier};
use adit_policy::{Assumed, Decision, Facts, KubeGroupName, KubeUserName, Permit};
use adit_proto::Reason;
use adit_proto::id::{SessionId, UserId};
use adit_proto::key::PublicKey;
use adit_proto::roster::{Device, User};
use adit_proto::sign_in::{Evidence, SignInCeiling, VerifiedSignIn};
use adit_proto::target::{Name, Target};
use adit_proto::time::UnixMillis;
use adit_proto::wire::control::Offer;

use super::{Proxying, Refusal};
use crate::roster::Known;

/// How far the gateway's clock may be from ours.
const SKEW: Duration = Duration::from_mins(5);
/// The shortest idle limit that is kept, so that a session outlives the moment before its first stream.
const IDLE_MIN: Duration = Duration::from_secs(10);

/// What the cluster's owner configured: the frame of every decision.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// This cluster.
    pub cluster: Name,
    /// Whether its API server is served.
    pub kubernetes: bool,
    /// Services that are served.
    pub services: Vec<Name>,
    /// Kubernetes groups that may be assumed at most.
    pub groups: Vec<KubeGroupName>,
    /// How old a sign-in may be at most.
    pub sign_in: SignInCeiling,
}

/// An offer that could be read. Nothing in it is believed.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The session's id.
    pub session: SessionId,
    /// What it would reach.
    pub target: Target,
    /// Who would.
    pub user: UserId,
    /// From which device.
    pub device: PublicKey,
    /// The sign-in.
    pub evidence: Evidence,
    /// Groups that the gateway says the user has.
    pub groups: Vec<String>,
    /// Groups that the gateway says the user may assume.
    pub kube_groups: Vec<String>,
    /// The device's tier, as the gateway says.
    pub tier: u32,
    /// Where the device is, as the gateway says.
    pub source: IpAddr,
    /// When the session ends, as the gateway says.
    pub expires: UnixMillis,
    /// Its idle limit.
    pub idle: Duration,
    /// The policy that the gateway decided by.
    pub policy_number: u64,
    /// Where its link comes from.
    pub device_route: u64,
}

/// A claim that was verified, and what came out.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Policy allows the target.
    pub permit: Permit,
    /// Who the user is at the API server, if that is the target.
    pub assumed: Option<Assumed>,
    /// Whether the API server may pass the user's requests on.
    pub proxy: Proxying,
    /// The sign-in.
    pub sign_in: VerifiedSignIn,
    /// The user's name in the roster.
    pub user: KubeUserName,
    /// The policy that allowed it.
    pub policy_number: u64,
}

/// Reads an offer, and refuses what is not for this connector.
///
/// # Errors
/// [`Refusal`].
pub fn read(offer: Offer, bounds: &Bounds, now: UnixMillis) -> Result<Claim, Refusal> {
    if let Some(feature) = offer.must_understand.first() {
        let detail = format!("the offer relies on {feature:?}, which this version does not know");
        return Err(Refusal::new(Reason::VersionUnsupported, detail));
    }
    let malformed = |what| {
        Refusal::new(
            Reason::RequestMalformed,
            format!("the offer's {what} is malformed"),
        )
    };
    let target: Target = offer.target.parse().map_err(|_| malformed("target"))?;
    let served = *target.cluster() == bounds.cluster
        && match &target {
            Target::Cluster(_) => bounds.kubernetes,
            Target::Service { name, .. } => bounds.services.contains(name),
        };
    if !served {
        let detail = format!("{target} is not served here");
        return Err(Refusal::new(Reason::UnknownOrForbidden, detail));
    }
    let facts = offer.facts.ok_or_else(|| malformed("facts"))?;
    let decided = UnixMillis(facts.decided_ms);
    if decided > now.after(SKEW) || decided < now.before(SKEW) {
        return Err(Refusal::new(
            Reason::ClockSkew,
            "the clocks of gateway and connector differ by more than 5 minutes",
        ));
    }
    Ok(Claim {
        session: offer.session_id.parse().map_err(|_| malformed("session"))?,
        target,
        user: offer.user_id.parse().map_err(|_| malformed("user"))?,
        device: PublicKey::from_spki(&offer.device_key).map_err(|_| malformed("device key"))?,
        evidence: offer
            .evidence
            .ok_or_else(|| Refusal::new(Reason::EvidenceInvalid, "the offer has no sign-in"))?
            .into(),
        groups: offer.groups,
        kube_groups: offer.kube_groups,
        tier: facts.tier,
        source: facts
            .source_address
            .parse()
            .map_err(|_| malformed("source address"))?,
        expires: UnixMillis(offer.expires_ms),
        idle: Duration::from_millis(offer.idle_ms).max(IDLE_MIN),
        policy_number: offer.policy_number,
        device_route: offer.device_route,
    })
}

/// What is refused once, when an offer comes, and not when a running session is decided anew.
///
/// # Errors
/// [`Refusal`].
pub fn admit(claim: &Claim, known: &Known, now: UnixMillis) -> Result<(), Refusal> {
    if claim.expires <= now {
        return Err(Refusal::new(
            Reason::SessionExpired,
            "the offered session has ended already",
        ));
    }
    let policy = known.policy()?;
    if claim.policy_number != policy.number {
        let detail = format!(
            "the offer rests on policy {}, the newest is {}",
            claim.policy_number, policy.number
        );
        return Err(Refusal::new(Reason::RosterStale, detail));
    }
    Ok(())
}

/// Decides a claim by roster, evidence, policy and ceiling.
///
/// # Errors
/// [`Refusal`] with the first rule that it breaks.
pub fn decide(
    claim: &Claim,
    known: &Known,
    bounds: &Bounds,
    now: UnixMillis,
) -> Result<Verified, Refusal> {
    let (user, device, sign_in) = signed_in(claim, known, bounds, now)?;
    if known.roster().cluster(&bounds.cluster).is_none() {
        return Err(Refusal::new(
            Reason::UnknownOrForbidden,
            "this cluster is not in the roster",
        ));
    }
    check_groups(claim, user, bounds)?;
    let facts = facts(claim, user, device, &sign_in, now)?;
    let policy = known.policy()?;
    let asking = policy.policy.asking(&facts);
    let permit = match asking.decide(&claim.target) {
        Decision::Permit(permit) => permit,
        Decision::Deny(denial) => return Err(denial.into()),
    };
    let assumed = assume(claim, &asking, bounds)?;
    Ok(Verified {
        permit,
        assumed,
        sign_in,
        user: facts.user.clone(),
        proxy: Proxying::new(policy.clone(), facts, bounds.cluster.clone()),
        policy_number: policy.number,
    })
}

/// What of a claim rests on roster and sign-in alone: who its user is, on which device.
///
/// # Errors
/// [`Refusal`] with the first rule that it breaks.
pub(super) fn signed_in<'a>(
    claim: &Claim,
    known: &'a Known,
    bounds: &Bounds,
    now: UnixMillis,
) -> Result<(&'a User, &'a Device, VerifiedSignIn), Refusal> {
    let roster = known.roster();
    let device = roster
        .active_device(&claim.device.fingerprint())
        .map_err(|reason| {
            Refusal::new(reason, "the device key is not an active one of the roster")
        })?;
    if device.owner != claim.user {
        return Err(Refusal::new(
            Reason::EvidenceInvalid,
            "the device belongs to somebody else",
        ));
    }
    let user = roster.active_user(claim.user).ok_or_else(|| {
        Refusal::new(
            Reason::DeviceRevoked,
            "the user is not an active one of the roster",
        )
    })?;
    let sign_in = claim
        .evidence
        .verify(roster, &claim.device, &bounds.sign_in, now)
        .map_err(|error| Refusal::new(error.reason(), error))?;
    if sign_in.user_id() != claim.user {
        return Err(Refusal::new(
            Reason::EvidenceInvalid,
            "the sign-in is somebody else's",
        ));
    }
    Ok((user, device, sign_in))
}

/// The groups come from the roster, and from policy within the ceiling. What the gateway says of them is used for
/// nothing, and a lie is told as one.
fn check_groups(claim: &Claim, user: &User, bounds: &Bounds) -> Result<(), Refusal> {
    if let Some(group) = claim
        .groups
        .iter()
        .find(|group| !user.groups.contains(group))
    {
        let detail = format!("the roster does not give the user the group {group:?}");
        return Err(Refusal::new(Reason::GroupAboveCeiling, detail));
    }
    let within = |group: &&String| {
        bounds
            .groups
            .iter()
            .any(|allowed| allowed.as_str() == group.as_str())
    };
    if let Some(group) = claim.kube_groups.iter().find(|group| !within(group)) {
        let detail = format!("the group {group:?} is above the ceiling");
        return Err(Refusal::new(Reason::GroupAboveCeiling, detail));
    }
    Ok(())
}

fn facts(
    claim: &Claim,
    user: &User,
    device: &Device,
    sign_in: &VerifiedSignIn,
    now: UnixMillis,
) -> Result<Facts, Refusal> {
    if claim.tier > u32::from(device.tier_cap) {
        let detail = format!(
            "tier {} is above the device's cap of {}",
            claim.tier, device.tier_cap
        );
        return Err(Refusal::new(Reason::EvidenceInvalid, detail));
    }
    let tier = Tier::from_number(claim.tier.into())
        .ok_or_else(|| Refusal::new(Reason::EvidenceInvalid, "there is no such tier"))?;
    let name = user.name.parse().map_err(|error| {
        Refusal::new(Reason::EvidenceInvalid, format!("the user's name: {error}"))
    })?;
    Ok(Facts {
        user_id: user.id,
        user: name,
        groups: user.groups.clone(),
        device: device.id,
        tier,
        sign_in_age: now.since(sign_in.issued()),
        source_address: claim.source,
        now,
        touched: false,
    })
}

fn assume(claim: &Claim, asking: &Asking<'_>, bounds: &Bounds) -> Result<Option<Assumed>, Refusal> {
    match &claim.target {
        Target::Cluster(cluster) => Ok(Some(asking.assume(cluster, &bounds.groups)?)),
        Target::Service { .. } => Ok(None),
    }
}

#[cfg(test)]
mod tests;
