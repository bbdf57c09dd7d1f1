//! A new sign-in carries the running sessions of its device on: each is offered to its connector again, with the new
//! evidence. One that is not accepted goes on as it was, and ends with the sign-in that it rests on.

use std::sync::Arc;

use adit_proto::Reason;
use futures_util::future::join_all;

use super::judge::{Judged, Who};
use super::open::{Plan, kube_groups, permission};
use super::table::LiveSession;
use super::{Broker, Denied};
use crate::caller::Caller;
use crate::store::sessions::Session;
use crate::store::sign_ins::SignIn;

impl Broker {
    /// Renews the sessions of the caller's process that would live longer with `sign_in`. Returns when each connector
    /// has answered, after 2.5 s at most.
    pub async fn renew(self: &Arc<Self>, caller: &Caller, sign_in: &SignIn) {
        let sign_in = &Arc::new(sign_in.clone());
        let running = self.table.lock().at(caller.route);
        let renewals = running.into_iter().map(|live| async move {
            let id = live.session.id;
            if let Err(denied) = self.renew_one(caller, live, sign_in).await {
                tracing::info!(session.id = %id, reason = %denied.reason, "A session was not renewed.");
            }
        });
        join_all(renewals).await;
    }

    async fn renew_one(
        self: &Arc<Self>,
        caller: &Caller,
        live: LiveSession,
        sign_in: &Arc<SignIn>,
    ) -> Result<(), Denied> {
        let (parts, id) = (&self.parts, live.session.id);
        let expires = parts.clock.now().after(parts.lives.session);
        let expires = expires.min(sign_in.expires);
        if expires <= live.session.expires || live.session.device != caller.device {
            return Ok(());
        }
        let route = live.pair.connector;
        let plan = self.plan_again(caller, live, sign_in, expires).await;
        let plan = plan.map_err(|judged| judged.shown)?;
        // What is not in the log does not happen.
        let recorded = parts.audit.record(permission(caller, &plan)).await;
        recorded.map_err(|_| Denied::unrecorded())?;
        if self.offer(caller, &plan).await? != route {
            return Err(Denied::of(Reason::TargetOffline));
        }
        let stored = parts.store.renew_session(&plan.session).await;
        stored.map_err(|_| Denied::of(Reason::GatewayUnreachable))?;
        self.table.lock().renew(plan.session, plan.sign_in);
        // What changed while the connector thought about it counts as well.
        self.judge_again(id).await;
        Ok(())
    }

    async fn plan_again(
        &self,
        caller: &Caller,
        live: LiveSession,
        sign_in: &Arc<SignIn>,
        expires: adit_proto::time::UnixMillis,
    ) -> Result<Plan, Judged> {
        let who = Who {
            device_key: &caller.key,
            sign_in,
            source: caller.source.ip(),
        };
        let grounds = self.judge(who, &live.session.target).await?;
        if grounds.cluster.id != live.session.cluster {
            return Err(Reason::SessionRevoked.into());
        }
        let connector = self.parts.registry.by_route(live.pair.connector);
        let connector = connector.ok_or(Reason::TargetOffline)?;
        let kube_groups = kube_groups(&grounds, &connector, &live.session.target)?;
        Ok(Plan {
            session: Session {
                sign_in: sign_in.id,
                expires,
                ..live.session
            },
            sign_in: Arc::clone(sign_in),
            grounds,
            kube_groups,
            connector,
        })
    }
}
