//! Deciding anew: when a statement or a policy comes, when a route moves, and as time passes.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use adit_proto::Reason;
use tokio::task::coop::consume_budget;

use super::{Table, admission};
use crate::roster::Known;
use crate::session::{Refusal, Session, Standing, offer};

impl Table {
    /// The decision in force for a session. As long as neither roster nor policy has changed it is looked up and not
    /// made; a session that it denies is ended.
    ///
    /// # Errors
    /// [`Refusal`]; the session has ended then.
    pub async fn standing(&self, session: &Arc<Session>) -> Result<Arc<Standing>, Refusal> {
        if let Some(reason) = session.ended() {
            return Err(Refusal::new(reason, "the session has ended"));
        }
        let standing = session.standing.load();
        let known = self.parts.book.known()?;
        let fresh = self.parts.clock.boot() < standing.fresh_until;
        if standing.epoch == known.epoch() && fresh {
            return Ok(Arc::clone(&standing));
        }
        let known = self.parts.book.settled().await?;
        self.review(session, &known)
    }

    /// Decides a session by what is known, and ends it if it is denied.
    fn review(&self, session: &Arc<Session>, known: &Known) -> Result<Arc<Standing>, Refusal> {
        match admission::decide(self, &session.claim.load(), known) {
            Ok(standing) => {
                let standing = Arc::new(standing);
                session.standing.store(standing.clone());
                Ok(standing)
            }
            Err(refusal) => {
                self.end(session.id, ending(&refusal));
                Err(refusal)
            }
        }
    }

    /// Decides all sessions anew at each change of roster or policy. A policy's text that does not come in 2 s ends
    /// them: the one before is not the newest any more.
    ///
    /// # Cancel safety
    /// A change that was seen is not forgotten half-way: each session is decided at its next request too.
    pub async fn follow_roster(&self) {
        let mut changes = self.parts.book.watch();
        while changes.changed().await.is_ok() {
            changes.mark_unchanged();
            // Who was revoked goes at once, whatever else is still on its way or takes its time.
            if let Ok(known) = self.parts.book.known() {
                self.drop_revoked(&known);
            }
            let Ok(known) = self.parts.book.settled().await else {
                continue;
            };
            for session in self.all() {
                // The refusal has ended the session and is in the audit log.
                let _ = self.review(&session, &known);
                // Thousands of decisions are not taken without a breath: this task has other things to do.
                consume_budget().await;
            }
        }
    }

    /// Ends sessions of devices and passkeys that are no longer active. No policy is asked.
    fn drop_revoked(&self, known: &Known) {
        let now = self.parts.clock.wall();
        for session in self.all() {
            let claim = session.claim.load();
            if let Err(refusal) = offer::signed_in(&claim, known, &self.parts.bounds, now) {
                self.end(session.id, ending(&refusal));
            }
        }
    }

    /// Decides sessions with streams whose decision has aged: policy can speak of the time.
    ///
    /// # Cancel safety
    /// Those that were not reached are decided at their next request, or the next time.
    pub async fn review_aged(&self) {
        let Ok(known) = self.parts.book.known() else {
            return;
        };
        if known.awaits_policy() {
            return;
        }
        let now = self.parts.clock.boot();
        for session in self.all() {
            let busy = session.streams.load(Ordering::Acquire) > 0;
            if busy && session.standing.load().fresh_until <= now {
                let _ = self.review(&session, &known);
                consume_budget().await;
            }
        }
    }

    /// Takes note that a device's address changed, and decides its sessions anew.
    pub fn route_moved(&self, route: u64, source: IpAddr) {
        let Ok(known) = self.parts.book.known() else {
            return;
        };
        for session in self.all() {
            if session.moved(route, source) {
                let _ = self.review(&session, &known);
            }
        }
    }
}

/// The reason that a session ends with when it is refused on review.
fn ending(refusal: &Refusal) -> Reason {
    ended(refusal.shown())
}

/// An unknown device is one whose key was replaced: to a running session that is a revocation.
fn ended(reason: Reason) -> Reason {
    if reason == Reason::DeviceUnknown {
        Reason::DeviceRevoked
    } else if reason == Reason::UnknownOrForbidden {
        Reason::SessionRevoked
    } else {
        reason
    }
}
