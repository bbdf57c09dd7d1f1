//! Clusters: new ones, and new keys of those that are there.

use std::collections::HashSet;

use super::{Bench, EntryError, Kind, StatementError, each, id, once};
use crate::key::PublicKey;
use crate::roster::member::Cluster;
use crate::wire::roster as wire;

impl Bench<'_> {
    pub(super) fn clusters(
        &self,
        entries: &[wire::Cluster],
    ) -> Result<Vec<Cluster>, StatementError> {
        if !self.is_admin() {
            return Err(StatementError::NoRight(Kind::Cluster));
        }
        let (mut ids, mut names, mut keys) = (HashSet::new(), HashSet::new(), HashSet::new());
        each(entries, |entry| {
            let cluster = self.cluster(entry)?;
            once(&mut ids, cluster.id, EntryError::IdTaken)?;
            once(&mut names, cluster.name.clone(), EntryError::NameTaken)?;
            once(&mut keys, cluster.key.fingerprint(), EntryError::KeyTaken)?;
            Ok(cluster)
        })
    }

    fn cluster(&self, entry: &wire::Cluster) -> Result<Cluster, EntryError> {
        let cluster = Cluster {
            id: id(&entry.cluster_id, "cluster_id")?,
            name: entry.name.parse().map_err(|_| EntryError::Name)?,
            key: PublicKey::from_spki(&entry.key).map_err(|_| EntryError::Field("key"))?,
            revoked: None,
        };
        // A known id brings a new key; its name stays, since policies and kubeconfig files use that.
        let before = self.members.clusters.get(&cluster.id);
        if before.is_some_and(|it| it.revoked.is_some() || it.name != cluster.name) {
            return Err(EntryError::IdTaken);
        }
        let holder = self.members.cluster_named(&cluster.name);
        if holder.is_some_and(|it| it.id != cluster.id) {
            return Err(EntryError::NameTaken);
        }
        if self.members.keys.contains_key(&cluster.key.fingerprint()) {
            return Err(EntryError::KeyTaken);
        }
        Ok(cluster)
    }
}
