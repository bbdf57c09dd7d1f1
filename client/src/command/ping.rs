//! `adit ping CLUSTER`: each leg's round-trip time, way, MTU, and the connector's instance.

use std::time::Duration;

use adit_proto::target::Name;
use clap::Args;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::{has_terminal, output};
use crate::agent::protocol::PingCall;
use crate::browser::Caller;
use crate::cli::Global;
use crate::exit::Failure;
use crate::seat::{Leg, Pinged};

/// What to ping.
#[derive(Debug, Args)]
pub struct PingArgs {
    /// The cluster
    cluster: Name,
    /// How many times; 0 goes on until interrupted
    #[arg(long, short, default_value_t = 3, value_name = "N")]
    count: u32,
}

impl PingArgs {
    /// Measures once a second.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut done = 0;
        while self.count == 0 || done < self.count {
            ticks.tick().await;
            let call = json!(PingCall {
                cluster: self.cluster.to_string(),
                caller: Caller::this_process(has_terminal()),
            });
            let answer = global.ask("ping", call).await?;
            if global.json {
                output::print_json(&answer)?;
            } else {
                let pinged: Pinged = serde_json::from_value(answer).map_err(Failure::new)?;
                output::print(&shown(&pinged))?;
            }
            done += 1;
        }
        Ok(())
    }
}

/// The leg between gateway and connector is what is left; one of the two figures may be older, so never below zero.
fn shown(pinged: &Pinged) -> String {
    let Pinged { gateway, connector } = pinged;
    let between = connector.rtt_us.saturating_sub(gateway.rtt_us);
    let leg = |leg: &Leg| format!("{} MTU {}", leg.way, leg.mtu);
    format!(
        "gateway {} {} {}, gateway to connector {}, connector {} {} {}",
        output::cell(Some(&json!(gateway.to))),
        milliseconds(gateway.rtt_us),
        leg(gateway),
        milliseconds(between),
        output::cell(Some(&json!(connector.to))),
        milliseconds(connector.rtt_us),
        leg(connector),
    )
}

fn milliseconds(us: u64) -> String {
    format!("{}.{:02} ms", us / 1000, us % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legs_are_shown_in_milliseconds() {
        let leg = |to: &str, rtt_us| Leg {
            to: to.to_owned(),
            rtt_us,
            mtu: 1452,
            way: "UDP".to_owned(),
        };
        let pinged = Pinged {
            gateway: leg("192.0.2.1:443", 1_234),
            connector: leg("ab", 3_004),
        };
        assert_eq!(
            shown(&pinged),
            "gateway 192.0.2.1:443 1.23 ms UDP MTU 1452, gateway to connector 1.77 ms, \
             connector ab 3.00 ms UDP MTU 1452"
        );
        let pinged = Pinged {
            gateway: leg("g", 9),
            connector: leg("c", 5),
        };
        assert!(shown(&pinged).contains("gateway to connector 0.00 ms"));
    }
}
