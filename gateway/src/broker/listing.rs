//! What somebody may know of: the targets that policy lets him connect to.

use std::sync::Arc;

use adit_policy::{Decision, Facts};
use adit_proto::roster::{Cluster, Roster};
use adit_proto::target::{Name, Target};

use super::judge::Who;
use super::{Broker, Denied};
use crate::caller::{Caller, Identity};
use crate::policy_in_force::InForce;
use crate::registry::Live;
use crate::store::sign_ins::SignIn;

/// A cluster that the caller may connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSeen {
    /// The cluster.
    pub cluster: Cluster,
    /// Whether a connector is here.
    pub online: bool,
    /// Whether it serves an API server.
    pub kubernetes: bool,
}

/// A service that the caller may connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSeen {
    /// Its cluster.
    pub cluster: Name,
    /// Its name.
    pub name: Name,
    /// `tcp`.
    pub kind: String,
}

impl Broker {
    /// The clusters that policy lets a signed-in caller connect to, by name.
    ///
    /// # Errors
    /// [`Denied`] if the caller's sign-in does not hold any more.
    pub async fn clusters(
        &self,
        caller: &Caller,
        sign_in: &SignIn,
    ) -> Result<Vec<ClusterSeen>, Denied> {
        let (roster, facts, policy) = self.asked(caller, sign_in).await?;
        let asking = policy.policy.asking(&facts);
        let mut visible: Vec<_> = roster
            .clusters()
            .filter(|cluster| cluster.revoked.is_none())
            .filter(|cluster| {
                let target = Target::Cluster(cluster.name.clone());
                matches!(asking.decide(&target), Decision::Permit(_))
            })
            .cloned()
            .collect();
        visible.sort_by(|one, other| one.name.cmp(&other.name));
        let seen = visible.into_iter().map(|cluster| {
            let connectors = self.parts.registry.connectors(cluster.id);
            let kubernetes =
                |live: &Arc<Live>| live.serves().is_some_and(|serves| serves.kubernetes);
            ClusterSeen {
                online: !connectors.is_empty(),
                kubernetes: connectors.iter().any(kubernetes),
                cluster,
            }
        });
        Ok(seen.collect())
    }

    /// The services that policy lets a signed-in caller connect to, of connectors that are here.
    ///
    /// # Errors
    /// As [`Broker::clusters`].
    pub async fn services(
        &self,
        caller: &Caller,
        sign_in: &SignIn,
    ) -> Result<Vec<ServiceSeen>, Denied> {
        let mut offered = Vec::new();
        for live in self.parts.registry.all() {
            let Identity::Cluster { name: cluster, .. } = live.party().identity() else {
                continue;
            };
            for service in live.serves().iter().flat_map(|serves| &serves.services) {
                offered.push(ServiceSeen {
                    cluster: cluster.clone(),
                    name: service.name.clone(),
                    kind: service.kind.clone(),
                });
            }
        }
        offered.sort_by(|one, other| (&one.cluster, &one.name).cmp(&(&other.cluster, &other.name)));
        offered.dedup();
        let (_, facts, policy) = self.asked(caller, sign_in).await?;
        let asking = policy.policy.asking(&facts);
        offered.retain(|service| {
            let target = Target::Service {
                cluster: service.cluster.clone(),
                name: service.name.clone(),
            };
            matches!(asking.decide(&target), Decision::Permit(_))
        });
        Ok(offered)
    }

    async fn asked(
        &self,
        caller: &Caller,
        sign_in: &SignIn,
    ) -> Result<(Arc<Roster>, Facts, Arc<InForce>), Denied> {
        let who = Who {
            device_key: &caller.key,
            sign_in,
            source: caller.source.ip(),
        };
        let (roster, facts, _) = self.facts(who).map_err(|judged| judged.shown)?;
        let policy = self
            .policy_in_force(&roster)
            .await
            .map_err(|judged| judged.shown)?;
        Ok((roster, facts, policy))
    }
}
