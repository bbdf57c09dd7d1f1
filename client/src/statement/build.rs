//! Bodies from fields: names are resolved in the verified log, ids, salt and time are made here.

use std::collections::HashSet;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::assertion::RegisteredCredential;
use adit_proto::id::{ClusterId, InvitationId, PasskeyId, UserId};
use adit_proto::key::{InvitationPublicKey, PublicKey};
use adit_proto::roster::{self, Roster, check_name, policy_digest};
use adit_proto::target::Name;
use adit_proto::wire::roster::{
    Admits, Body, Cluster, Invitation, Passkey, Policy, Revocation, Role as WireRole, User,
    revocation::Subject,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::proposal::{Facts, Invited, Invitee, Named, Role};
use crate::clock;
use crate::exit::Failure;
use crate::random;

/// Highest tier: an invitation by itself lowers nobody's.
const TIER_CAP: u32 = 4;
/// Most entries of a body.
const ENTRIES_MAX: usize = 256;

/// Makes a body without entries: what all bodies have.
pub(crate) fn body() -> Result<Body, Failure> {
    Ok(Body {
        salt: random::bytes::<16>()?.to_vec(),
        id: random::bytes::<16>()?.to_vec(),
        time_ms: clock::now().0,
        ..Body::default()
    })
}

/// Names a passkey that was registered.
pub(crate) fn passkey(credential: &RegisteredCredential, name: &str) -> Result<Passkey, Failure> {
    Ok(Passkey {
        passkey_id: PasskeyId::from_parts(clock::now(), random::bytes()?).to_string(),
        credential_id: credential.credential_id().to_vec(),
        cose_key: credential.cose_key().to_vec(),
        aaguid: credential.aaguid().to_vec(),
        name: name.to_owned(),
    })
}

/// Resolves the people; the body names those who are new or changed, and is `None` if nobody is.
pub(super) fn users(
    roster: &Roster,
    people: &[&Facts],
) -> Result<(Vec<UserId>, Option<Body>), Failure> {
    let mut names = HashSet::new();
    if people.is_empty() || people.len() > ENTRIES_MAX {
        return Err(malformed(format!(
            "1 to {ENTRIES_MAX} people can be named at once"
        )));
    }
    let mut body = body()?;
    let mut ids = Vec::with_capacity(people.len());
    for person in people {
        if !names.insert(&person.name) {
            return Err(malformed(format!("{} is named twice", person.name)));
        }
        check_names(person)?;
        let known = roster.user_by_name(&person.name);
        let (id, entry) = entry(known, person)?;
        body.users.extend(entry);
        ids.push(id);
    }
    let body = (!body.users.is_empty()).then_some(body);
    Ok((ids, body))
}

/// Refuses admins, whom no invitation names.
pub(super) fn check_invitees(roster: &Roster, people: &[Invitee]) -> Result<(), Failure> {
    for Invitee { facts, .. } in people {
        let known = roster.user_by_name(&facts.name);
        if known.is_some_and(|user| roster.is_admin(user.id)) {
            let text = format!("{} is an admin, whom no invitation names", facts.name);
            return Err(Failure::of(Reason::PolicyDenied, text));
        }
    }
    Ok(())
}

fn check_names(person: &Facts) -> Result<(), Failure> {
    let groups = person.groups.iter().flatten();
    for name in groups.chain([&person.name]) {
        check_name(name).map_err(|error| malformed(format!("{name:?}: {error}")))?;
    }
    Ok(())
}

fn entry(known: Option<&roster::User>, person: &Facts) -> Result<(UserId, Option<User>), Failure> {
    let id = match known {
        Some(user) => user.id,
        None => UserId::from_parts(clock::now(), random::bytes()?),
    };
    let mut groups = person.groups.clone();
    if let Some(groups) = &mut groups {
        groups.sort();
        groups.dedup();
    }
    let before = known.map(|user| user.groups.clone());
    let role = person.role.or_else(|| known.map(|user| role_of(user.role)));
    let same_groups = groups.is_none() || groups == before;
    let same_role = known.is_some_and(|user| Some(role_of(user.role)) == role);
    let allowed = known.is_some_and(|user| user.self_service);
    let self_service = person.self_service.unwrap_or(allowed);
    if known.is_some() && same_groups && same_role && self_service == allowed {
        return Ok((id, None));
    }
    let user = User {
        user_id: id.to_string(),
        name: person.name.clone(),
        groups: groups.or(before).unwrap_or_default(),
        role: to_wire(role.unwrap_or(Role::User)).into(),
        self_service,
    };
    Ok((id, Some(user)))
}

fn role_of(role: roster::Role) -> Role {
    match role {
        roster::Role::User => Role::User,
        roster::Role::DeviceManager => Role::DeviceManager,
        roster::Role::Auditor => Role::Auditor,
    }
}

fn to_wire(role: Role) -> WireRole {
    match role {
        Role::User => WireRole::Unspecified,
        Role::DeviceManager => WireRole::DeviceManager,
        Role::Auditor => WireRole::Auditor,
    }
}

/// Names the invitations of `people`, whose users are `users`.
pub(super) fn invitations(
    users: &[UserId],
    people: &[Invitee],
    life_s: u64,
) -> Result<(Vec<Invited>, Body), Failure> {
    let mut body = body()?;
    let now = clock::now();
    let expires = now.after(Duration::from_secs(life_s));
    let mut invited = Vec::with_capacity(people.len());
    for (user, person) in users.iter().zip(people) {
        let key = STANDARD.decode(&person.key).ok();
        let key = key.and_then(|key| InvitationPublicKey::from_bytes(&key).ok());
        let key = key.ok_or_else(|| malformed("an invitation's key is not 32 bytes"))?;
        let id = InvitationId::from_parts(now, random::bytes()?);
        body.invitations.push(Invitation {
            invitation_id: id.to_string(),
            key: key.as_bytes().to_vec(),
            user_id: user.to_string(),
            admits: Admits::Both.into(),
            tier_cap: TIER_CAP,
            expires_ms: expires.0,
            approval: false,
        });
        invited.push(Invited {
            name: person.facts.name.clone(),
            user_id: user.to_string(),
            invitation_id: id.to_string(),
            expires_ms: expires.0,
        });
    }
    Ok((invited, body))
}

/// Names a new cluster.
pub(super) fn cluster(roster: &Roster, name: &str, key: &str) -> Result<Body, Failure> {
    let parsed: Name = name
        .parse()
        .map_err(|error| malformed(format!("{name:?}: {error}")))?;
    if roster.cluster(&parsed).is_some() {
        return Err(
            malformed(format!("there is a cluster {parsed} already")).repaired_by(format!(
                "choose another name, or `adit admin clusters revoke {parsed}`"
            )),
        );
    }
    let key = STANDARD.decode(key).ok();
    let key = key.and_then(|key| PublicKey::from_spki(&key).ok());
    let key = key.ok_or_else(|| malformed("the cluster's key is no P-256 key"))?;
    let mut body = body()?;
    body.clusters.push(Cluster {
        cluster_id: ClusterId::from_parts(clock::now(), random::bytes()?).to_string(),
        name: parsed.as_str().to_owned(),
        key: key.spki().to_vec(),
    });
    Ok(body)
}

/// Names the next policy.
pub(super) fn policy(roster: &Roster, text: &str) -> Result<Body, Failure> {
    let mut body = body()?;
    body.policies.push(Policy {
        number: roster.next_policy_number(),
        digest: policy_digest(text).to_vec(),
    });
    Ok(body)
}

/// Names what is trusted no more.
pub(super) fn revocation(roster: &Roster, named: &Named, reason: &str) -> Result<Body, Failure> {
    revoking(subject(roster, named)?, reason)
}

/// Names one thing that is trusted no more.
pub(super) fn revoking(subject: Subject, reason: &str) -> Result<Body, Failure> {
    if reason.chars().any(char::is_control) {
        return Err(malformed("a reason is one line of text"));
    }
    let mut body = body()?;
    body.revocations.push(Revocation {
        subject: Some(subject),
        reason: reason.to_owned(),
    });
    Ok(body)
}

fn subject(roster: &Roster, named: &Named) -> Result<Subject, Failure> {
    Ok(match named {
        Named::User(name) => {
            let by_id = name.parse().ok().and_then(|id| roster.user(id));
            let user = by_id.or_else(|| roster.user_by_name(name));
            Subject::UserId(user.ok_or_else(|| nothing("user", name))?.id.to_string())
        }
        Named::Device(name) => {
            let is_named = |it: &&roster::Device| it.revoked.is_none() && it.name == *name;
            let by_id = name.parse().ok().and_then(|id| roster.device(id));
            let mut by_name = roster.devices().filter(is_named);
            let device = by_id.or_else(|| by_name.next());
            if by_id.is_none() && by_name.next().is_some() {
                return Err(malformed(format!("several devices are called {name}"))
                    .repaired_by("name it by its id; `adit admin devices list` shows them"));
            }
            Subject::DeviceId(
                device
                    .ok_or_else(|| nothing("device", name))?
                    .id
                    .to_string(),
            )
        }
        Named::Passkey(name) => {
            let passkey = name.parse().ok().and_then(|id| roster.passkey(id));
            Subject::PasskeyId(
                passkey
                    .ok_or_else(|| nothing("passkey", name))?
                    .id
                    .to_string(),
            )
        }
        Named::Invitation(name) => {
            let found = name.parse().ok().and_then(|id| roster.invitation(id));
            Subject::InvitationId(
                found
                    .ok_or_else(|| nothing("invitation", name))?
                    .id
                    .to_string(),
            )
        }
        Named::Cluster(name) => {
            let by_id = name.parse().ok().and_then(|id| roster.cluster_by_id(id));
            let by_name = || roster.cluster(&name.parse().ok()?);
            let cluster = by_id
                .or_else(by_name)
                .ok_or_else(|| nothing("cluster", name))?;
            Subject::ClusterId(cluster.id.to_string())
        }
        Named::Policy(number) => Subject::PolicyNumber(*number),
    })
}

fn malformed(text: impl std::fmt::Display) -> Failure {
    Failure::new(text)
}

fn nothing(kind: &str, name: &str) -> Failure {
    Failure::new(format!("there is no {kind} {name:?} in the roster"))
        .repaired_by(format!("`adit admin {kind}s list` shows them"))
}
