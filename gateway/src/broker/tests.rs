//! Sessions from their opening to their end, with real connections.

mod ending;
mod opening;
mod renewing;
mod resuming;

use adit_proto::id::SessionId;
use adit_proto::target::Target;
use adit_proto::testing::{Log, Person, TestCluster};

use super::{Denied, Opened};
use crate::testing::{Agent, Connector, Rig};

/// A gateway with a cluster `prod`, a developer, and both here.
struct Scene {
    rig: Rig,
    person: Person,
    cluster: TestCluster,
    agent: Agent,
    connector: Connector,
}

impl Scene {
    async fn new() -> Self {
        let mut log = Log::new();
        let cluster = log.add_cluster("prod");
        let person = log.add_person("ada", &["dev"]);
        let rig = Rig::start(log).await;
        rig.sign_in(&person).await;
        let mut connector = Connector::register(&rig, &cluster).await;
        connector.party.up_to_date().await;
        let mut agent = Agent::register(&rig, &person).await;
        agent.party.up_to_date().await;
        Self {
            rig,
            person,
            cluster,
            agent,
            connector,
        }
    }

    /// Opens a session that the connector accepts.
    async fn open(&mut self, target: &str) -> Opened {
        let target = target.parse().unwrap();
        let broker = &self.rig.services.broker;
        let opening = broker.open(&self.agent.caller, &target);
        let (opened, _) = tokio::join!(opening, self.connector.accept());
        opened.unwrap()
    }

    async fn denied(&self, target: &str) -> Denied {
        let target: Target = target.parse().unwrap();
        self.rig
            .services
            .broker
            .open(&self.agent.caller, &target)
            .await
            .unwrap_err()
    }

    fn live(&self) -> Vec<SessionId> {
        self.rig
            .services
            .broker
            .live()
            .iter()
            .map(|session| session.id)
            .collect()
    }
}
