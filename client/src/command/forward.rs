//! `adit forward NAME[:PORT]`: a local port to a service in a cluster.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use adit_proto::Reason;
use adit_proto::target::Target;
use clap::Args;
use serde_json::{Value, json};

use super::{get, has_terminal};
use crate::browser::Caller;
use crate::cli::Global;
use crate::exit::{Exit, Failure};

/// What to forward.
#[derive(Debug, Args)]
pub struct ForwardArgs {
    /// The service, CLUSTER/NAME or NAME alone where it is the only one; with :PORT for the local port
    #[arg(value_name = "[CLUSTER/]NAME[:PORT]")]
    service: String,
    /// The local address and port; port 0 chooses one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

impl ForwardArgs {
    /// Forwards until interrupted.
    ///
    /// # Errors
    /// What the gateway said, or that the port is taken.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let (service, port) = split(&self.service)?;
        let target = match service.split_once('/') {
            Some((cluster, name)) => target(cluster, name)?,
            None => find(global, service).await?,
        };
        let loopback = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.unwrap_or(0));
        let listen = self.listen.unwrap_or(loopback);
        let caller = Caller::this_process(has_terminal());
        let call = json!({"target": target.to_string(), "listen": listen, "caller": caller});
        global.ask("forward", call).await.map(|_| ())
    }
}

fn usage(message: impl std::fmt::Display) -> Failure {
    Failure::new(message).exiting(Exit::Usage)
}

fn split(text: &str) -> Result<(&str, Option<u16>), Failure> {
    let Some((service, port)) = text.rsplit_once(':') else {
        return Ok((text, None));
    };
    let port = port
        .parse()
        .map_err(|_| usage(format!("{port} is no port")))?;
    Ok((service, Some(port)))
}

fn target(cluster: &str, name: &str) -> Result<Target, Failure> {
    format!("service/{cluster}/{name}").parse().map_err(usage)
}

/// The only service of that name.
async fn find(global: &Global, name: &str) -> Result<Target, Failure> {
    let answer = get(global, "/v1/services").await?;
    let services = answer.get("services").and_then(Value::as_array);
    let text = |service: &Value, key: &str| service.get(key)?.as_str().map(str::to_owned);
    let clusters: Vec<_> = services
        .into_iter()
        .flatten()
        .filter(|service| text(service, "name").as_deref() == Some(name))
        .filter_map(|service| text(service, "cluster"))
        .collect();
    match clusters.as_slice() {
        [cluster] => target(cluster, name),
        [] => Err(Failure::of(
            Reason::UnknownOrForbidden,
            format!("there is no service {name} that you may use"),
        )),
        several => Err(usage(format!(
            "{name} is in several clusters ({}): say which, as CLUSTER/{name}",
            several.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_what_follows_the_colon() {
        assert_eq!(split("db").unwrap(), ("db", None));
        assert_eq!(split("prod/db:5432").unwrap(), ("prod/db", Some(5432)));
        assert!(split("db:x").is_err() && split("db:70000").is_err());
        assert_eq!(target("prod", "db").unwrap().to_string(), "service/prod/db");
        assert!(target("prod", "../x").is_err());
    }
}
