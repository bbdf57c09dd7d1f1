use adit_proto::Reason;
use adit_proto::id::SessionId;
use adit_proto::roster::Subject;
use adit_proto::testing::random;
use adit_proto::wire::control::{Register, Registered};

use super::Scene;
use crate::testing::{Agent, Connector, patiently};

/// What a party still holds.
fn holds(register: Register, sessions: &[SessionId]) -> Register {
    let sessions = sessions.iter().map(ToString::to_string).collect();
    Register {
        sessions,
        ..register
    }
}

impl Scene {
    /// Restarts the gateway; the parties are not told.
    async fn restarted(self) -> Self {
        let Self {
            rig,
            person,
            cluster,
            agent,
            connector,
        } = self;
        let rig = rig.restart().await;
        Self {
            rig,
            person,
            cluster,
            agent,
            connector,
        }
    }

    async fn come_back(&mut self, held: &[SessionId]) -> (Vec<String>, Vec<String>) {
        self.connector.party.dial_again().await;
        let register = holds(Connector::registration(), held);
        let connector = self.connector.party.register(register).await;
        self.agent.party.dial_again().await;
        let register = holds(Register::default(), held);
        let agent = self.agent.party.register(register).await;
        (lost(&connector), lost(&agent))
    }
}

/// The sessions that a registration is told to be over.
fn lost(registered: &Registered) -> Vec<String> {
    let lost = registered.lost_sessions.iter();
    lost.map(|lost| lost.session_id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f57_a_device_that_was_away_learns_why_its_session_is_over_and_another_does_not() {
    let mut scene = Scene::new().await;
    let id = scene.open("cluster/prod").await.session.id;
    let other = scene.rig.says(|log| log.add_person("eve", &["dev"])).await;
    let mut other = Agent::register(&scene.rig, &other).await;
    scene.agent.party.connection.close(0_u32.into(), b"");
    let broker = &scene.rig.services.broker;
    assert!(broker.end(id, Reason::PolicyDenied, "").await);

    scene.agent.party.dial_again().await;
    let own = holds(Register::default(), &[id]);
    let told = scene.agent.party.register(own.clone()).await;
    let reason = |told: &Registered| told.lost_sessions[0].reason.clone();
    assert_eq!(reason(&told), Reason::PolicyDenied.as_str());
    other.party.dial_again().await;
    let told = other.party.register(own).await;
    assert_eq!(reason(&told), Reason::SessionExpired.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f1_sessions_go_on_after_a_restart_with_the_same_routes_and_pair() {
    let mut scene = Scene::new().await;
    let id = scene.open("cluster/prod").await.session.id;
    let routes = (scene.agent.party.route(), scene.connector.party.route());
    let mut scene = scene.restarted().await;
    let (connector, agent) = scene.come_back(&[id]).await;
    assert_eq!((connector.len(), agent.len()), (0, 0));
    assert_eq!(
        routes,
        (scene.agent.party.route(), scene.connector.party.route())
    );
    assert_eq!(scene.agent.party.pair().await, (routes.1.bits(), false));
    assert_eq!(scene.connector.party.pair().await, (routes.0.bits(), false));
    assert_eq!(scene.live(), [id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_over_is_reported_as_lost() {
    let mut scene = Scene::new().await;
    let id = scene.open("cluster/prod").await.session.id;
    let unknown = SessionId::from_parts(scene.rig.clock.now(), random());
    let mut scene = scene.restarted().await;
    let (connector, agent) = scene.come_back(&[id, unknown]).await;
    assert_eq!(
        (connector, agent),
        (vec![unknown.to_string()], vec![unknown.to_string()])
    );
    assert_eq!(scene.live(), [id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_its_end_no_longer_holds_ends() {
    let mut scene = Scene::new().await;
    let id = scene.open("cluster/prod").await.session.id;
    let mut scene = scene.restarted().await;
    scene.connector.party.dial_again().await;
    scene
        .connector
        .party
        .register(holds(Connector::registration(), &[id]))
        .await;
    scene.agent.party.dial_again().await;
    scene.agent.party.register(Register::default()).await;
    assert_eq!(
        scene.connector.party.session_ended().await.0,
        id.to_string()
    );
    assert!(scene.live().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f57_what_was_revoked_before_the_gateway_came_back_does_not_go_on() {
    let mut scene = Scene::new().await;
    let id = scene.open("cluster/prod").await.session.id;
    // Revoked through another gateway, while this one is away.
    let passkey = Subject::Passkey(scene.person.passkey_id);
    let log = &mut scene.rig.log;
    log.revoke(passkey);
    let (statement, head) = (log.statements.last().unwrap().clone(), log.roster.head());
    let stored = crate::store::statements::StoredStatement {
        number: head.number,
        hash: head.hash,
        kind: u16::try_from(statement.kind).unwrap(),
        statement: prost::Message::encode_to_vec(&statement),
    };
    let store = scene.rig.services.store.clone();
    store
        .append_statement(&stored, scene.rig.clock.now())
        .await
        .unwrap();
    let mut scene = scene.restarted().await;
    let (connector, agent) = scene.come_back(&[id]).await;
    assert_eq!(
        (connector, agent),
        (vec![id.to_string()], vec![id.to_string()])
    );
    assert!(scene.live().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_who_stays_away_for_a_lease_loses_the_session() {
    let mut scene = Scene::new().await;
    let id = scene.open("cluster/prod").await.session.id;
    scene.connector.party.connection.close(0_u32.into(), b"");
    let (ended, reason) = scene.agent.party.session_ended().await;
    assert_eq!(
        (ended, reason.as_str()),
        (id.to_string(), Reason::TargetOffline.as_str())
    );
    patiently(async {
        while scene
            .rig
            .relay
            .place_of(scene.connector.party.route())
            .is_some()
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
