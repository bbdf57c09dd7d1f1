//! What the connector has decided about a session, and until when that holds.

use adit_policy::{Impersonation, MayProxy, Permit};
use adit_proto::wire::audit::Actor;

use super::{Proxying, Refusal};
use crate::clock::Boot;

/// A decision in force. Only [`super::offer::decide`] leads to one.
#[derive(Debug)]
pub struct Standing {
    pub(super) permit: Permit,
    pub(super) impersonation: Option<Impersonation>,
    pub(super) proxy: Proxying,
    pub(super) actor: Actor,
    pub(super) policy_number: u64,
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

    /// The number of the policy that allowed it.
    #[must_use]
    pub fn policy_number(&self) -> u64 {
        self.policy_number
    }

    /// Who the user is at the API server; `None` for a service.
    #[must_use]
    pub fn impersonation(&self) -> Option<&Impersonation> {
        self.impersonation.as_ref()
    }

    /// Whether the API server may pass the user's requests on to pods, services and nodes.
    ///
    /// # Errors
    /// The policy's denial.
    pub fn proxy(&self) -> Result<&MayProxy, &Refusal> {
        self.proxy.judge()
    }

    /// Who acts, for audit.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
}
