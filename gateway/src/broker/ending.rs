//! Ending sessions.

use std::sync::Arc;

use adit_proto::Reason;
use adit_proto::id::{DeviceId, SessionId};
use adit_proto::wire::audit::{SessionOver, record::Event};
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::{Pair as WirePair, SessionEnded};
use adit_transport::cid::RouteId;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::table::{LiveSession, Pair};
use super::{Broker, CONFIRM, Unconfirmed};
use crate::registry::Live;
use crate::store::StoreError;

impl Broker {
    /// Ends a session and tells both ends. `false` if it is not live.
    ///
    /// # Cancel safety
    /// An end that was told is stored.
    pub async fn end(self: &Arc<Self>, id: SessionId, reason: Reason, detail: &str) -> bool {
        let Some((live, shared)) = self.table.lock().remove(id, reason) else {
            return false;
        };
        let ended = SessionEnded {
            session_id: id.to_string(),
            reason: reason.to_string(),
            detail: detail.to_owned(),
        };
        for route in [live.pair.connector, live.pair.device] {
            if let Some(end) = self.parts.registry.by_route(route) {
                end.send(Message::SessionEnded(ended.clone()));
            }
        }
        if shared {
            self.expect_confirmation(id, live.pair);
        } else {
            self.withdraw(live.pair);
        }
        let broker = Arc::clone(self);
        let stored = self.parts.tasks.spawn(async move {
            broker.forget(id, reason, broker.parts.clock.now()).await;
            broker.note_end(id, reason).await;
        });
        // Whoever ends it may go away meanwhile.
        let _ = stored.await;
        true
    }

    /// Ends every sign-in on a device and all that rests on them.
    ///
    /// # Errors
    /// As every call of the store; the sessions have ended all the same.
    pub async fn sign_out(self: &Arc<Self>, device: DeviceId) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let stored = self.parts.store.end_sign_ins(device, now).await;
        let resting = self.table.lock().all();
        for live in resting.iter().filter(|live| live.session.device == device) {
            self.end(live.session.id, Reason::SignInRequired, "signed out")
                .await;
        }
        stored
    }

    /// Takes the word of an end that a session is over, or the confirmation that it heard so.
    pub async fn ended_by(self: &Arc<Self>, from: &Live, ended: &SessionEnded) {
        let Ok(id) = ended.session_id.parse() else {
            return;
        };
        self.confirmed_by(from, id);
        let is_end_of = |live: &LiveSession| live.pair.has(from.route());
        if !self.table.lock().get(id).is_some_and(is_end_of) {
            return;
        }
        let reason = ended.reason.parse().unwrap_or(Reason::SessionExpired);
        self.end(id, reason, &ended.detail).await;
    }

    fn confirmed_by(&self, from: &Live, id: SessionId) {
        let mut unconfirmed = self.unconfirmed.lock();
        let entitled = |it: &Unconfirmed| it.route == from.route();
        if unconfirmed.get(&id).is_some_and(entitled)
            && let Some(waiting) = unconfirmed.remove(&id)
        {
            // Its timer may just be over.
            let _ = waiting.confirm.send(());
        }
    }

    /// Gives a connector half a second to say that it ended a session whose pair goes on for another one.
    fn expect_confirmation(self: &Arc<Self>, id: SessionId, pair: Pair) {
        let (confirm, confirmed) = oneshot::channel();
        let route = pair.connector;
        self.unconfirmed
            .lock()
            .insert(id, Unconfirmed { route, confirm });
        let broker = Arc::clone(self);
        self.parts.tasks.spawn(async move {
            let confirmed = timeout(CONFIRM, confirmed).await;
            broker.unconfirmed.lock().remove(&id);
            if confirmed.is_ok() {
                return;
            }
            tracing::warn!(session.id = %id, "a connector did not confirm the end of a session");
            let others = broker.table.lock().of_pair(pair);
            broker.withdraw(pair);
            for other in others {
                broker.end_alone(other).await;
            }
        });
    }

    /// Ends a session whose pair was cut for another one's sake.
    async fn end_alone(&self, id: SessionId) {
        let reason = Reason::TargetOffline;
        let Some((live, _)) = self.table.lock().remove(id, reason) else {
            return;
        };
        for route in [live.pair.connector, live.pair.device] {
            if let Some(end) = self.parts.registry.by_route(route) {
                end.send(Message::SessionEnded(SessionEnded {
                    session_id: id.to_string(),
                    reason: reason.to_string(),
                    detail: "the connector does not answer".to_owned(),
                }));
            }
        }
        self.forget(id, reason, self.parts.clock.now()).await;
        self.note_end(id, reason).await;
    }

    fn withdraw(&self, pair: Pair) {
        self.parts.relay.withdraw(pair.device, pair.connector);
        self.tell_pair(pair, true);
    }

    /// Tells both ends that the relay forwards between them, or no more.
    pub(super) fn tell_pair(&self, pair: Pair, withdrawn: bool) {
        let registry = &self.parts.registry;
        let ends = (
            registry.by_route(pair.device),
            registry.by_route(pair.connector),
        );
        if let (Some(device), Some(connector)) = &ends {
            let of = |route: RouteId| {
                let route = route.bits();
                Message::Pair(WirePair { route, withdrawn })
            };
            device.send(of(pair.connector));
            connector.send(of(pair.device));
        } else if withdrawn {
            // Whoever is here learns it; the other is told when it registers and names the route.
            for end in [ends.0, ends.1].into_iter().flatten() {
                if let Some(route) = pair.other(end.route()).map(RouteId::bits) {
                    end.send(Message::Pair(WirePair { route, withdrawn }));
                }
            }
        }
    }

    pub(super) async fn note_end(&self, id: SessionId, reason: Reason) {
        let over = SessionOver {
            session_id: id.to_string(),
            reason: reason.to_string(),
        };
        self.parts.audit.note(Event::SessionOver(over)).await;
    }
}
