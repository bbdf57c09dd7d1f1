//! Offers: verified, recorded, and then a session.

use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};

use adit_policy::{Assumed, Impersonation};
use adit_proto::Reason;
use adit_proto::time::UnixMillis;
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::audit::{Actor, SessionDecided};
use adit_proto::wire::control::Offer;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Table;
use crate::audit::event::bounded;
use crate::clock::Boot;
use crate::roster::Known;
use crate::session::offer::{self, Claim, Verified};
use crate::session::standing::Standing;
use crate::session::{Life, Refusal, Session};

/// How long a decision holds at most: policy can speak of the time and of the sign-in's age.
const FRESH: std::time::Duration = std::time::Duration::from_secs(5);

impl Table {
    /// Verifies an offer. Accepted, it is a session; a session that is here already goes on with the new evidence.
    /// Either way the decision is in the audit log before it is told.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn offer(&self, offer: Offer) -> Result<Arc<Session>, Refusal> {
        let mut decided = SessionDecided {
            actor: Some(Actor {
                session_id: bounded(&offer.session_id),
                ..Actor::default()
            }),
            target: bounded(&offer.target),
            policy_number: offer.policy_number,
            roster_number: offer.roster_number,
            ..SessionDecided::default()
        };
        match self.verify(offer, &mut decided).await {
            Ok((claim, verified, epoch)) => {
                let event = Event::SessionDecided(decided);
                self.parts
                    .audit
                    .record(event)
                    .map_err(|error| Refusal::new(Reason::AuditUnavailable, error))?;
                self.take(claim, verified, epoch)
            }
            Err(refusal) => {
                refusal.reason().as_str().clone_into(&mut decided.reason);
                decided.detail = bounded(refusal.detail());
                self.parts.audit.note(Event::SessionDecided(decided));
                Err(refusal)
            }
        }
    }

    async fn verify(
        &self,
        offer: Offer,
        decided: &mut SessionDecided,
    ) -> Result<(Claim, Verified, u64), Refusal> {
        if !self.parts.audit.admits_sessions() {
            let detail = "the audit log is nearly full, since no gateway stores it";
            return Err(Refusal::new(Reason::AuditUnavailable, detail));
        }
        let bounds = &self.parts.bounds;
        let known = self
            .parts
            .book
            .reach(offer.roster_number, &offer.roster_hash)
            .await?;
        let now = self.parts.clock.wall();
        let claim = offer::read(offer, bounds, now)?;
        offer::admit(&claim, &known, now)?;
        let verified = offer::decide(&claim, &known, bounds, now)?;
        decided.actor = Some(actor(&claim, &verified));
        decided.policy_number = verified.policy_number;
        decided.roster_number = known.roster().number();
        decided.kube_groups = verified
            .assumed
            .iter()
            .flat_map(Assumed::groups)
            .map(|group| group.as_str().to_owned())
            .collect();
        Ok((claim, verified, known.epoch()))
    }

    /// Makes the session, or gives the one that is here its new claim.
    fn take(&self, claim: Claim, verified: Verified, epoch: u64) -> Result<Arc<Session>, Refusal> {
        let (wall, boot) = (self.parts.clock.wall(), self.parts.clock.boot());
        let life = life(&claim, &verified, wall, boot);
        let standing = standing(&claim, verified, epoch, boot);
        let mut sessions = self.sessions.write();
        if let Some(session) = sessions.get(&claim.session) {
            let before = session.claim.load();
            let same = before.target == claim.target
                && before.user == claim.user
                && before.device == claim.device;
            if !same {
                let detail = "a session keeps its user, device and target";
                return Err(Refusal::new(Reason::EvidenceInvalid, detail));
            }
            *session.life.lock() = life;
            session.claim.store(Arc::new(claim));
            session.standing.store(Arc::new(standing));
            return Ok(session.clone());
        }
        if sessions.len() >= self.parts.limit {
            return Err(Refusal::new(
                Reason::LimitReached,
                "this connector has as many sessions as it may",
            ));
        }
        let session = Arc::new(Session {
            id: claim.session,
            user_streams: self.users.lock().of(claim.user),
            target: claim.target.clone(),
            device: claim.device.fingerprint(),
            claim: ArcSwap::from_pointee(claim),
            standing: ArcSwap::from_pointee(standing),
            life: Mutex::new(life),
            streams: AtomicUsize::new(0),
            used: AtomicU64::new(0),
            reason: OnceLock::new(),
            end: CancellationToken::new(),
        });
        session.touch(boot);
        sessions.insert(session.id, session.clone());
        Ok(session)
    }
}

/// The session ends with its own end or its sign-in's, by the wall clock now and by CLOCK_BOOTTIME from now on.
fn life(claim: &Claim, verified: &Verified, wall: UnixMillis, boot: Boot) -> Life {
    let sign_in = verified.sign_in.expires();
    let (end, expiry) = if sign_in <= claim.expires {
        (sign_in, Reason::SignInExpired)
    } else {
        (claim.expires, Reason::SessionExpired)
    };
    Life {
        expires: boot.after(end.since(wall)),
        expiry,
        idle: claim.idle,
    }
}

pub(super) fn standing(claim: &Claim, verified: Verified, epoch: u64, boot: Boot) -> Standing {
    let actor = actor(claim, &verified);
    let impersonation = verified
        .assumed
        .map(|assumed| Impersonation::new(assumed, claim.session, verified.sign_in.device_id()));
    Standing {
        permit: verified.permit,
        impersonation,
        proxy: verified.proxy,
        actor,
        policy_number: verified.policy_number,
        epoch,
        fresh_until: boot.after(FRESH),
    }
}

fn actor(claim: &Claim, verified: &Verified) -> Actor {
    Actor {
        user_id: claim.user.to_string(),
        user_name: verified.user.as_str().to_owned(),
        device_id: verified.sign_in.device_id().to_string(),
        session_id: claim.session.to_string(),
        source_address: claim.source.to_string(),
    }
}

/// The decision of a claim as it stands now.
pub(super) fn decide(table: &Table, claim: &Claim, known: &Known) -> Result<Standing, Refusal> {
    let now = table.parts.clock.wall();
    let verified = offer::decide(claim, known, &table.parts.bounds, now)?;
    Ok(standing(
        claim,
        verified,
        known.epoch(),
        table.parts.clock.boot(),
    ))
}
