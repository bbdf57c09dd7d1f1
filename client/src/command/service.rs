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

    /// The target of a web application. Another service is named as what it is.
    ///
    /// # Errors
    /// As [`ServiceName::find`], and for a service of another kind.
    pub(super) async fn find_application(&self, global: &Global) -> Result<Target, Failure> {
        let target = self.find(global).await?;
        let listed = self.listed(global).await?;
        let kind = listed
            .into_iter()
            .find(|service| service.cluster == target.cluster().as_str())
            .map(|service| service.kind);
        match kind.as_deref() {
            // What is not listed may not be used, which is told when its session is opened.
            Some("http") | None => Ok(target),
            Some(_) => {
                let name = &self.name;
                let message = format!("{target} is no web application");
                Err(Failure::new(message)
                    .exiting(Exit::Usage)
                    .repaired_by(format!("use `adit forward {name}`")))
            }
        }
    }

    async fn only_cluster(&self, global: &Global) -> Result<Name, Failure> {
        let name = &self.name;
        let listed = self.listed(global).await?;
        let clusters: Vec<_> = listed.into_iter().map(|service| service.cluster).collect();
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

    /// The services of this name that the user may use.
    async fn listed(&self, global: &Global) -> Result<Vec<Listed>, Failure> {
        let answer = get(global, "/v1/services").await?;
        let services = answer.get("services").and_then(Value::as_array);
        let text = |service: &Value, key: &str| service.get(key)?.as_str().map(str::to_owned);
        let named = services
            .into_iter()
            .flatten()
            .filter(|service| text(service, "name").as_deref() == Some(self.name.as_str()));
        let listed = named.filter_map(|service| {
            Some(Listed {
                cluster: text(service, "cluster")?,
                kind: text(service, "kind")?,
            })
        });
        Ok(listed.collect())
    }
}

/// A service as the gateway lists it.
#[derive(Debug)]
struct Listed {
    cluster: String,
    kind: String,
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
