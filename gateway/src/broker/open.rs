//! Opening a session.

use std::sync::Arc;

use adit_proto::Reason;
use adit_proto::id::SessionId;
use adit_proto::target::Target;
use adit_proto::time::UnixMillis;
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::audit::{Actor, SessionDecided};
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::offer_answer::Answer;
use adit_proto::wire::control::{Accepted, Facts, Offer, OfferAnswer, SessionEnded};
use adit_transport::cid::RouteId;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::judge::{Grounds, Judged, Who};
use super::table::{LiveSession, Pair};
use super::{ANSWER, Broker, Denied, Offered, Opened};
use crate::caller::Caller;
use crate::registry::Live;
use crate::store::sessions::Session;
use crate::store::sign_ins::SignIn;

/// What was decided, before anything is stored.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) session: Session,
    pub(super) sign_in: Arc<SignIn>,
    pub(super) grounds: Grounds,
    pub(super) kube_groups: Vec<String>,
    pub(super) connector: Arc<Live>,
}

impl Broker {
    /// Opens a session from a signed-in device to a target, through a connector that accepts it.
    ///
    /// # Errors
    /// [`Denied`]; it is in the audit log with the reason that is not shown.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the session ends when the device does not name it, or by its expiry.
    pub async fn open(
        self: &Arc<Self>,
        caller: &Caller,
        target: &Target,
    ) -> Result<Opened, Denied> {
        let plan = match self.plan(caller, target).await {
            Ok(plan) => plan,
            Err(judged) => {
                let actor = actor(caller, "", String::new());
                let event = refusal(actor.clone(), target, &judged);
                let audit = &self.parts.audit;
                audit.note_refusal(caller.device, &actor, event).await;
                return Err(judged.shown);
            }
        };
        // What is not in the log does not happen.
        if self
            .parts
            .audit
            .record(permission(caller, &plan))
            .await
            .is_err()
        {
            return Err(Denied::unrecorded());
        }
        self.carry_out(caller, plan).await
    }

    async fn plan(&self, caller: &Caller, target: &Target) -> Result<Plan, Judged> {
        let parts = &self.parts;
        let now = parts.clock.now();
        let idle = parts.lives.sign_in_idle;
        let sign_in = parts.store.sign_in_of(caller.device, now, idle).await;
        let sign_in = sign_in.map_err(|_| Reason::GatewayUnreachable)??;
        let who = Who {
            device_key: &caller.key,
            sign_in: &sign_in,
            source: caller.source.ip(),
        };
        let grounds = self.judge(who, target).await?;
        self.table
            .lock()
            .has_room(&parts.limits, sign_in.user, caller.device)?;
        let connector = self.connector_for(&grounds, target)?;
        let kube_groups = kube_groups(&grounds, &connector, target)?;
        let session = Session {
            id: SessionId::from_parts(now, parts.entropy.bytes()),
            sign_in: sign_in.id,
            user: sign_in.user,
            device: caller.device,
            device_instance: caller.instance,
            cluster: grounds.cluster.id,
            target: target.clone(),
            instance: *connector.instance(),
            opened: now,
            expires: now.after(parts.lives.session).min(sign_in.expires),
            idle: parts.lives.session_idle,
        };
        let sign_in = Arc::new(sign_in);
        Ok(Plan {
            session,
            sign_in,
            grounds,
            kube_groups,
            connector,
        })
    }

    /// A connector that serves the target. Its absence is told only to who is allowed there.
    fn connector_for(&self, grounds: &Grounds, target: &Target) -> Result<Arc<Live>, Judged> {
        let serves = |live: &Arc<Live>| {
            live.serves().is_some_and(|serves| match target {
                Target::Cluster(_) => serves.kubernetes,
                Target::Service { name, .. } => {
                    serves.services.iter().any(|service| service.name == *name)
                }
            })
        };
        let connectors = self.parts.registry.connectors(grounds.cluster.id);
        connectors.into_iter().find(serves).ok_or_else(|| {
            let reason = Reason::TargetOffline;
            let detail = format!("no connector serves {target} now; {}", reason.repair());
            Denied::with(reason, detail).into()
        })
    }

    async fn carry_out(self: &Arc<Self>, caller: &Caller, plan: Plan) -> Result<Opened, Denied> {
        let parts = &self.parts;
        let unavailable = |_| Denied::of(Reason::GatewayUnreachable);
        parts
            .store
            .add_session(&plan.session)
            .await
            .map_err(unavailable)?;
        let connector = Arc::clone(&plan.connector);
        let accepted = self.offer(caller, &plan).await;
        let route = match accepted {
            Ok(route) => route,
            Err(denied) => {
                self.fail(&plan, &denied).await;
                return Err(denied);
            }
        };
        let pair = Pair {
            device: caller.route,
            connector: route,
        };
        self.table.lock().insert(LiveSession {
            session: plan.session.clone(),
            sign_in: Arc::clone(&plan.sign_in),
            device_key: caller.key.clone(),
            source: caller.source.ip(),
            pair,
        });
        parts.relay.announce(pair.device, pair.connector);
        self.tell_pair(pair, false);
        // What changed while the connector thought about it counts as well.
        self.judge_again(plan.session.id).await;
        if self.table.lock().get(plan.session.id).is_none() {
            return Err(Denied::of(Reason::SessionRevoked));
        }
        Ok(Opened {
            session: plan.session,
            cluster_key: connector.party().key().clone(),
            route,
        })
    }

    /// Sends the offer and waits for the answer of that very connection.
    pub(super) async fn offer(&self, caller: &Caller, plan: &Plan) -> Result<RouteId, Denied> {
        let id = plan.session.id;
        let (answer, answered) = oneshot::channel();
        let to = plan.connector.id();
        self.offers.lock().insert(id, Offered { to, answer });
        plan.connector
            .send(Message::Offer(wire_offer(caller, plan)));
        let answered = timeout(ANSWER, answered).await;
        self.offers.lock().remove(&id);
        let offline = || Denied::of(Reason::TargetOffline);
        match answered.map_err(|_| offline())?.map_err(|_| offline())? {
            Answer::Accepted(accepted) => accepted_route(&plan.connector, &accepted),
            Answer::Refused(refused) => {
                // A reason of a newer version is a denial all the same.
                let reason = refused.reason.parse().unwrap_or(Reason::PolicyDenied);
                Err(Denied::with(reason, refused.detail))
            }
        }
    }

    /// Takes back a session that no connector accepted.
    async fn fail(&self, plan: &Plan, denied: &Denied) {
        let (id, now) = (plan.session.id, self.parts.clock.now());
        // A connector that answers late learns that nobody waits.
        plan.connector.send(Message::SessionEnded(SessionEnded {
            session_id: id.to_string(),
            reason: denied.reason.to_string(),
            detail: String::new(),
        }));
        self.forget(id, denied.reason, now).await;
        self.note_end(id, denied.reason).await;
    }

    /// Takes a connector's answer to an offer. One that nobody waits for is answered with the session's end.
    pub fn answered(&self, from: &Live, answer: OfferAnswer) {
        let id = answer.session_id.parse().ok();
        let mut offers = self.offers.lock();
        let waits = id.filter(|id| offers.get(id).is_some_and(|offer| offer.to == from.id()));
        let offered = waits.and_then(|id| offers.remove(&id));
        drop(offers);
        let unanswered = match (offered, answer.answer) {
            (Some(offered), Some(answer)) => offered.answer.send(answer).is_err(),
            (None, Some(Answer::Refused(_)) | None) => false,
            (Some(_) | None, _) => true,
        };
        // One that goes on did so before its new sign-in was answered too late.
        let goes_on = id.is_some_and(|id| self.is_at(id, from));
        if unanswered && !goes_on {
            from.send(Message::SessionEnded(SessionEnded {
                session_id: answer.session_id,
                reason: Reason::SessionExpired.to_string(),
                detail: String::new(),
            }));
        }
    }

    fn is_at(&self, id: SessionId, connector: &Live) -> bool {
        let table = self.table.lock();
        let live = table.get(id);
        live.is_some_and(|live| live.pair.connector == connector.route())
    }

    pub(super) async fn forget(&self, id: SessionId, reason: Reason, now: UnixMillis) {
        if let Err(error) = self.parts.store.end_session(id, reason, now).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, session.id = %id, "the end of a session was not stored");
        }
        self.table.lock().settled(id);
    }
}

/// The Kubernetes groups to offer, of those within the connector's ceiling.
pub(super) fn kube_groups(
    grounds: &Grounds,
    connector: &Live,
    target: &Target,
) -> Result<Vec<String>, Judged> {
    match target {
        Target::Cluster(_) => {
            let serves = connector.serves();
            grounds.kube_groups(serves.map_or(&[], |serves| &serves.ceiling_groups))
        }
        Target::Service { .. } => Ok(Vec::new()),
    }
}

fn wire_offer(caller: &Caller, plan: &Plan) -> Offer {
    let (session, grounds) = (&plan.session, &plan.grounds);
    let head = grounds.roster.head();
    Offer {
        session_id: session.id.to_string(),
        target: session.target.to_string(),
        user_id: session.user.to_string(),
        device_key: caller.key.spki().to_vec(),
        evidence: Some(plan.sign_in.evidence.sent().clone()),
        groups: grounds.user.groups.clone(),
        kube_groups: plan.kube_groups.clone(),
        facts: Some(Facts {
            tier: grounds.facts.tier.number().into(),
            source_address: caller.source.ip().to_string(),
            decided_ms: grounds.facts.now.0,
        }),
        expires_ms: session.expires.0,
        idle_ms: u64::try_from(session.idle.as_millis()).unwrap_or(u64::MAX),
        roster_number: head.number,
        roster_hash: head.hash.to_vec(),
        policy_number: grounds.policy.number,
        must_understand: Vec::new(),
        device_route: caller.route.bits(),
    }
}

/// A connector can accept for itself only.
fn accepted_route(connector: &Live, accepted: &Accepted) -> Result<RouteId, Denied> {
    let own =
        accepted.instance == connector.instance() && accepted.route == connector.route().bits();
    own.then_some(connector.route())
        .ok_or_else(|| Denied::of(Reason::TargetOffline))
}

fn actor(caller: &Caller, name: &str, session: String) -> Actor {
    Actor {
        user_id: caller.user.to_string(),
        user_name: name.to_owned(),
        device_id: caller.device.to_string(),
        session_id: session,
        source_address: caller.source.ip().to_string(),
    }
}

fn refusal(actor: Actor, target: &Target, judged: &Judged) -> Event {
    Event::SessionDecided(SessionDecided {
        actor: Some(actor),
        target: target.to_string(),
        reason: judged.reason.to_string(),
        detail: judged.shown.detail.clone(),
        ..SessionDecided::default()
    })
}

pub(super) fn permission(caller: &Caller, plan: &Plan) -> Event {
    let (session, grounds) = (&plan.session, &plan.grounds);
    Event::SessionDecided(SessionDecided {
        actor: Some(actor(caller, &grounds.user.name, session.id.to_string())),
        target: session.target.to_string(),
        reason: String::new(),
        detail: String::new(),
        policy_number: grounds.policy.number,
        roster_number: grounds.roster.head().number,
        kube_groups: plan.kube_groups.clone(),
    })
}
