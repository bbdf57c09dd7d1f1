//! Judging sessions anew when something that they rest on changed.

use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::id::SessionId;
use adit_proto::wire::control::RouteMoved;
use adit_proto::wire::control::frame::Message;
use tokio::sync::mpsc;
use tokio::task::coop::consume_budget;
use tokio::time::{MissedTickBehavior, interval};

use super::Broker;
use super::judge::Who;
use super::table::LiveSession;
use crate::registry::canonical;
use crate::relay::Moved;

/// How often expiry is looked at. A session ends at most this late here; its connector counts by itself.
const SWEEP: Duration = Duration::from_secs(1);

impl Broker {
    /// Watches roster, suspensions, routes that move and the time, until it is dropped.
    pub async fn watch(self: Arc<Self>, mut relocated: mpsc::Receiver<Moved>) {
        let mut roster = self.parts.roster.follow();
        let mut suspensions = self.parts.suspensions.follow();
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Ok(()) = roster.changed() => self.judge_all().await,
                Ok(()) = suspensions.changed() => self.judge_all().await,
                Some(place) = relocated.recv() => self.moved(place).await,
                _ = sweep.tick() => {
                    self.end_expired().await;
                    self.parts.audit.note_left_out().await;
                }
                else => return,
            }
        }
    }

    /// Judges all sessions by what is so now.
    pub(super) async fn judge_all(self: &Arc<Self>) {
        let all = self.table.lock().all();
        for live in all {
            self.judge_one(&live).await;
            // Thousands are not judged without a breath: other things share this task.
            consume_budget().await;
        }
    }

    pub(super) async fn judge_again(self: &Arc<Self>, id: SessionId) {
        let live = self.table.lock().get(id).cloned();
        if let Some(live) = live {
            self.judge_one(&live).await;
        }
    }

    async fn judge_one(self: &Arc<Self>, live: &LiveSession) {
        let who = Who {
            device_key: &live.device_key,
            sign_in: &live.sign_in,
            source: live.source,
        };
        let judged = self.judge(who, &live.session.target).await;
        let same = |grounds: &super::judge::Grounds| grounds.cluster.id == live.session.cluster;
        let denied = match judged {
            Ok(grounds) if same(&grounds) => return,
            // The name means another cluster now.
            Ok(_) => super::Denied::of(Reason::SessionRevoked),
            Err(judged) => judged.shown,
        };
        self.end(live.session.id, denied.reason, &denied.detail)
            .await;
    }

    async fn moved(self: &Arc<Self>, moved: Moved) {
        let source = canonical(moved.to.addr).ip();
        let concerned = self.table.lock().moved(moved.route, source);
        for live in concerned {
            if let Some(connector) = self.parts.registry.by_route(live.pair.connector) {
                connector.send(Message::RouteMoved(RouteMoved {
                    route: moved.route.bits(),
                    source_address: source.to_string(),
                }));
            }
            self.judge_one(&live).await;
        }
    }

    async fn end_expired(self: &Arc<Self>) {
        let now = self.parts.clock.now();
        let all = self.table.lock().sessions();
        for session in all.iter().filter(|session| session.expires <= now) {
            self.end(session.id, Reason::SessionExpired, "its time is over")
                .await;
        }
    }
}
