//! The schema that ships with the product, and the names of its types and actions.

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};

use super::PolicyError;

const TEXT: &str = include_str!("../schema.cedarschema");

/// The schema, parsed.
pub(super) fn schema() -> Result<Schema, PolicyError> {
    Schema::from_cedarschema_str(TEXT)
        .map(|(schema, _)| schema)
        .map_err(|error| PolicyError::Schema {
            message: error.to_string(),
        })
}

/// The entity types and actions of the schema.
#[derive(Clone, Debug)]
pub(super) struct Vocabulary {
    user: EntityTypeName,
    group: EntityTypeName,
    cluster: EntityTypeName,
    service: EntityTypeName,
    kube_group: EntityTypeName,
    pub(super) connect: EntityUid,
    pub(super) proxy: EntityUid,
    pub(super) assume: EntityUid,
}

impl Vocabulary {
    pub(super) fn new() -> Result<Self, PolicyError> {
        let named = |name: &str| {
            name.parse::<EntityTypeName>()
                .map_err(|error| PolicyError::Schema {
                    message: error.to_string(),
                })
        };
        let action = named("Action")?;
        Ok(Self {
            user: named("User")?,
            group: named("Group")?,
            cluster: named("Cluster")?,
            service: named("Service")?,
            kube_group: named("KubeGroup")?,
            connect: uid(&action, "connect"),
            proxy: uid(&action, "proxy"),
            assume: uid(&action, "assume"),
        })
    }

    pub(super) fn user(&self, name: &str) -> EntityUid {
        uid(&self.user, name)
    }

    pub(super) fn group(&self, name: &str) -> EntityUid {
        uid(&self.group, name)
    }

    pub(super) fn cluster(&self, name: &str) -> EntityUid {
        uid(&self.cluster, name)
    }

    pub(super) fn service(&self, cluster: &str, name: &str) -> EntityUid {
        uid(&self.service, &format!("{cluster}/{name}"))
    }

    pub(super) fn kube_group(&self, name: &str) -> EntityUid {
        uid(&self.kube_group, name)
    }
}

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}
