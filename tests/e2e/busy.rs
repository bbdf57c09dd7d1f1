//! Traffic that goes on while something breaks: a watch whose events are counted, and a forward whose bytes are compared.

mod flow;
mod watch;

pub(crate) use flow::{BusyForward, SERVICE, serve_echo};
pub(crate) use watch::BusyWatch;

use std::collections::BTreeSet;

use adit_harness::built::Build;
use adit_harness::netns::Network;
use adit_harness::stack::{BOUND, Engineer, GatewayOptions, Stack};
use adit_harness::wait;
use anyhow::{Context, Result};
use serde_json::Value;

/// Everything of one test: a deployment with an echo service beside its API server, and an engineer who is signed in.
pub(crate) struct Stage {
    pub(crate) ben: Engineer,
    pub(crate) stack: Stack,
}

impl Stage {
    /// Starts everything.
    pub(crate) fn set() -> Result<Self> {
        Self::with("", Build::default())
    }

    /// Starts everything, with further lines for the gateway's configuration.
    pub(crate) fn with(gateway: &str, build: Build) -> Result<Self> {
        let network = Network::new()?;
        network.single_packets()?;
        let options = GatewayOptions {
            extra: gateway.to_owned(),
            build,
            ..GatewayOptions::default()
        };
        let policy = adit_harness::stack::ENGINEERS_VIEW;
        let stack = Stack::on(network, &options, policy, |connector| {
            connector.with_service("echo", SERVICE)
        })?;
        serve_echo(stack.network.cluster())?;
        let ben = stack.engineer("ben@example.org")?;
        Ok(Self { ben, stack })
    }

    /// A watch of the engineer's, with events all the time.
    pub(crate) fn watch(&self) -> Result<BusyWatch> {
        BusyWatch::start(&self.ben.kubectl("prod")?)
    }

    /// A forward of the engineer's, with bytes all the time.
    pub(crate) fn forward(&self) -> Result<BusyForward> {
        BusyForward::start(&self.ben, self.stack.network.client())
    }

    /// The ids of the engineer's sessions.
    pub(crate) fn sessions(&self) -> Result<BTreeSet<String>> {
        sessions_of(&self.ben)
    }

    /// Waits until our audit log says that this session is over, and returns the reasons that it gives.
    pub(crate) fn over(&self, session: &str) -> Result<BTreeSet<String>> {
        wait::until("the end of a session in the audit log", BOUND, || {
            let printed = self.stack.admin.json(&["admin", "audit", "list"])?;
            let events = printed["events"].as_array().context("events")?;
            let reasons: BTreeSet<_> = events
                .iter()
                .filter(|event| event["kind"] == "session_over")
                .filter(|event| event.to_string().contains(session))
                .map(|event| text(&event["reason"]))
                .collect();
            Ok((!reasons.is_empty()).then_some(reasons))
        })
    }

    /// The value, or the end of the test with what all parts wrote.
    pub(crate) fn shown<T>(&self, result: Result<T>) -> T {
        result.with_context(|| self.logs()).unwrap()
    }

    /// What all parts wrote, for a message.
    pub(crate) fn logs(&self) -> String {
        format!(
            "agent: {}\nconnector: {}\ngateway: {}",
            self.ben.agent_log(),
            self.stack.connector.log(),
            self.stack.gateway.log()
        )
    }
}

/// The ids of an engineer's sessions.
pub(crate) fn sessions_of(engineer: &Engineer) -> Result<BTreeSet<String>> {
    let listed = engineer.json(&["sessions"])?;
    let sessions = listed.as_array().context("a list of sessions")?;
    Ok(sessions.iter().map(|one| text(&one["id"])).collect())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
