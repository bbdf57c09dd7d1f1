//! `adit forward NAME[:PORT]…`: local ports to services in clusters.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use clap::Args;
use serde_json::json;

use super::has_terminal;
use super::service::ServiceName;
use crate::agent::protocol::{ForwardCall, Forwarded};
use crate::browser::Caller;
use crate::cli::Global;
use crate::exit::{Exit, Failure};

/// What to forward.
#[derive(Debug, Args)]
pub struct ForwardArgs {
    /// The services, CLUSTER/NAME or NAME alone where it is the only one; with :PORT for the local port
    #[arg(value_name = "[CLUSTER/]NAME[:PORT]", required = true)]
    services: Vec<Wanted>,
    /// The local address and port of a single service; port 0 chooses one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

/// A service and the local port for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    service: ServiceName,
    port: Option<u16>,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((service, port)) = text.rsplit_once(':') else {
            let service = text.parse()?;
            return Ok(Self {
                service,
                port: None,
            });
        };
        let number = port.parse().map_err(|_| format!("{port} is no port"))?;
        Ok(Self {
            service: service.parse()?,
            port: Some(number),
        })
    }
}

impl ForwardArgs {
    /// Forwards until interrupted.
    ///
    /// # Errors
    /// What the gateway said, or that a port is taken.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        if self.listen.is_some() && self.services.len() > 1 {
            let message = "--listen is the address of one service: give each a port, as NAME:PORT";
            return Err(Failure::new(message).exiting(Exit::Usage));
        }
        let mut forwards = Vec::with_capacity(self.services.len());
        for wanted in &self.services {
            let target = wanted.service.find(global).await?.to_string();
            let port = wanted.port.unwrap_or(0);
            let loopback = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
            let listen = self.listen.unwrap_or(loopback);
            forwards.push(Forwarded { target, listen });
        }
        let caller = Caller::this_process(has_terminal());
        let call = json!(ForwardCall { forwards, caller });
        global.ask("forward", call).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_what_follows_the_colon() {
        let wanted = |text: &str| text.parse::<Wanted>();
        assert_eq!(wanted("db").unwrap().port, None);
        assert_eq!(wanted("prod/db:5432").unwrap().port, Some(5432));
        for text in ["db:x", "db:70000", "db:", "prod/../x"] {
            assert!(wanted(text).is_err(), "{text}");
        }
    }
}
