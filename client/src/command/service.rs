//! How the command line names a service: `CLUSTER/NAME`, or `NAME` alone where it is the only one.

use std::str::FromStr;

use adit_proto::Reason;
use adit_proto::target::{Name, Target};
use serde_json::Value;

use super::get;
use crate::cli::Global;
use crate::exit::{Exit, Failure};

/// A service as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceName {
    cluster: Option<Name>,
    name: Name,
}

impl FromStr for ServiceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = |text: &str| text.parse().map_err(|error| format!("{text:?}: {error}"));
        match text.split_once('/') {
            Some((cluster, service)) => Ok(Self {
                cluster: Some(name(cluster)?),
                name: name(service)?,
            }),
            None => Ok(Self {
                cluster: None,
                name: name(text)?,
            }),
        }
    }
}

impl ServiceName {
    /// The target. Without a cluster it is the only service of that name which the user may use.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub(super) async fn find(&self, global: &Global) -> Result<Target, Failure> {
        let cluster = match &self.cluster {
            Some(cluster) => cluster.clone(),
            None => self.only_cluster(global).await?,
        };
        Ok(Target::Service {
            cluster,
            name: self.name.clone(),
        })
    }

    async fn only_cluster(&self, global: &Global) -> Result<Name, Failure> {
        let name = &self.name;
        let answer = get(global, "/v1/services").await?;
        let services = answer.get("services").and_then(Value::as_array);
        let text = |service: &Value, key: &str| service.get(key)?.as_str().map(str::to_owned);
        let clusters: Vec<_> = services
            .into_iter()
            .flatten()
            .filter(|service| text(service, "name").as_deref() == Some(name.as_str()))
            .filter_map(|service| text(service, "cluster"))
            .collect();
        match clusters.as_slice() {
            [cluster] => cluster.parse().map_err(Failure::new),
            [] => Err(Failure::of(
                Reason::UnknownOrForbidden,
                format!("there is no service {name} that you may use"),
            )),
            several => {
                let several = several.join(", ");
                let message = format!(
                    "{name} is in several clusters ({several}): say which, as CLUSTER/{name}"
                );
                Err(Failure::new(message).exiting(Exit::Usage))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_with_or_without_its_cluster() {
        let named: ServiceName = "prod/db".parse().unwrap();
        assert_eq!(named.cluster.unwrap().as_str(), "prod");
        assert_eq!("db".parse::<ServiceName>().unwrap().cluster, None);
        for text in ["", "prod/", "/db", "prod/../x", "a/b/c"] {
            assert!(text.parse::<ServiceName>().is_err(), "{text}");
        }
    }
}
