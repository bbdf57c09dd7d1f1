//! What the connector has decided about a session, and until when that holds.

use adit_policy::{Impersonation, Permit};
use adit_proto::wire::audit::Actor;

use crate::clock::Boot;

/// A decision in force. Only [`super::offer::decide`] leads to one.
#[derive(Debug)]
pub struct Standing {
    pub(super) permit: Permit,
    pub(super) impersonation: Option<Impersonation>,
    pub(super) actor: Actor,
    /// The state of roster and policy that it rests on.
    pub(super) epoch: u64,
    /// When it is made anew at the latest, since policy can speak of time and of the sign-in's age.
    pub(super) fresh_until: Boot,
}

impl Standing {
    /// The proof that policy allows the session's target.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Who the user is at the API server; `None` for a service.
    #[must_use]
    pub fn impersonation(&self) -> Option<&Impersonation> {
        self.impersonation.as_ref()
    }

    /// Who acts, for audit.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
}
