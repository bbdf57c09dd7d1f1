//! Which cluster a line of kubectl goes to.

use adit_proto::target::Name;

use super::Line;
use crate::exit::{Exit, Failure};
use crate::kubeconfig::{Chosen, Context};
use crate::profile::ProfileName;

/// Where requests would go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// The profile; the usual one if the kubeconfig names none.
    pub profile: Option<ProfileName>,
    /// The cluster.
    pub cluster: Name,
    /// The name of the context, which the line may name.
    pub context: String,
    /// The namespace of the context.
    pub namespace: Option<String>,
}

impl Goal {
    /// The cluster that was named with `--cluster`.
    ///
    /// # Errors
    /// A failure of the command line if it names a context too.
    pub fn named(cluster: &Name, line: &Line) -> Result<Self, Failure> {
        if line.context.is_some() {
            let message =
                "--cluster and kubectl's --context both say where to: leave one of them out";
            return Err(Failure::new(message).exiting(Exit::Usage));
        }
        Ok(Self {
            profile: None,
            cluster: cluster.clone(),
            context: format!("adit-{cluster}"),
            namespace: None,
        })
    }

    /// The cluster that a context of the kubeconfig leads to.
    ///
    /// # Errors
    /// A failure of the command line if it leads to none of Adit's.
    pub fn chosen(chosen: Chosen) -> Result<Self, Failure> {
        let usage = |message: String| {
            let repair = "name one that does with kubectl's --context, or a cluster with `adit explain --cluster NAME`";
            Failure::new(message)
                .exiting(Exit::Usage)
                .repaired_by(repair)
        };
        let context = match chosen {
            Chosen::Ours(context) => context,
            Chosen::Foreign(name) => {
                return Err(usage(format!("the context {name} does not lead to Adit")));
            }
            Chosen::Unknown(name) => {
                return Err(usage(format!(
                    "there is no context {name} in the kubeconfig"
                )));
            }
            Chosen::None => {
                return Err(usage("the kubeconfig has no current context".to_owned()));
            }
        };
        let Context {
            name,
            profile,
            cluster,
            namespace,
        } = context;
        Ok(Self {
            profile: Some(profile.parse().map_err(Failure::new)?),
            cluster: cluster.parse().map_err(Failure::new)?,
            context: name,
            namespace,
        })
    }
}
