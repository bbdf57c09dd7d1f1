//! Whether the API server may pass a user's requests on to pods, services and nodes.

use std::sync::{Arc, OnceLock};

use adit_policy::{Facts, MayProxy};
use adit_proto::target::Name;

use super::Refusal;
use crate::roster::ActivePolicy;

/// Judged by the facts of its decision when it is asked first: hardly a session asks, and each would pay.
#[derive(Clone, Debug)]
pub struct Proxying {
    policy: Arc<ActivePolicy>,
    facts: Facts,
    cluster: Name,
    judged: OnceLock<Result<MayProxy, Refusal>>,
}

impl Proxying {
    pub(super) fn new(policy: Arc<ActivePolicy>, facts: Facts, cluster: Name) -> Self {
        Self {
            policy,
            facts,
            cluster,
            judged: OnceLock::new(),
        }
    }

    /// The proof that policy allows it.
    ///
    /// # Errors
    /// The policy's denial.
    pub fn judge(&self) -> Result<&MayProxy, &Refusal> {
        let judged = self.judged.get_or_init(|| {
            let policy = &self.policy.policy;
            Ok(policy.asking(&self.facts).proxy(&self.cluster)?)
        });
        judged.as_ref()
    }
}
