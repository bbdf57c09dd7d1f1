//! A running gateway with somebody in each state that a caller can be in.

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::roster::Subject;
use adit_proto::testing::{Log, Person, TestCluster};
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::roster::Role;
use adit_transport::tls::Alpn;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request as HttpRequest, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use quinn::Connection;
use tower::ServiceExt;

use super::requests::Request;
use crate::caller::Caller;
use crate::store::suspensions;
use crate::testing::{Agent, Connector, FakeParty, Rig, closed, patiently};

/// Somebody on his control connection.
#[derive(Clone)]
pub(super) struct Somebody {
    pub(super) person: Person,
    pub(super) connection: Connection,
    pub(super) caller: Caller,
}

/// The gateway and everybody.
pub(super) struct Scene {
    pub(super) rig: Rig,
    pub(super) cluster: TestCluster,
    /// Another cluster, and one that is to be revoked.
    pub(super) other: TestCluster,
    pub(super) gone: TestCluster,
    pub(super) connector: Connector,
    pub(super) root: Somebody,
    pub(super) ada: Somebody,
    pub(super) eve: Somebody,
    pub(super) auditor: Somebody,
    pub(super) manager: Somebody,
    pub(super) pam: Somebody,
    /// A device and a user, to be suspended.
    pub(super) suspended: [Somebody; 2],
    /// A device and a user, to be revoked.
    pub(super) revoked: [Somebody; 2],
    /// Whose device admins suspend and resume.
    pub(super) bystander: Person,
    api: Router,
    /// Keeps their connections.
    _parties: Vec<FakeParty>,
    /// The newest record of the audit log that a test has seen.
    seen: u64,
}

impl Scene {
    pub(super) async fn new() -> Self {
        Box::pin(Self::make()).await
    }

    async fn make() -> Self {
        let mut log = Log::new();
        let cluster = log.add_cluster("prod");
        let (other, gone) = (log.add_cluster("other"), log.add_cluster("gone"));
        let root = log.admin.clone();
        let mut dev = |name| log.add_person(name, &["dev"]);
        let (ada, pam, bystander) = (dev("ada"), dev("pam"), dev("bystander"));
        let suspended = [dev("sue"), dev("sam")];
        let revoked = [dev("rob"), dev("ron")];
        let eve = log.add_person("eve", &[]);
        let auditor = log.add_person_as("aud", &["dev"], Role::Auditor);
        let manager = log.add_person_as("man", &["dev"], Role::DeviceManager);
        for person in [&ada, &eve, &auditor, &manager] {
            log.set_self_service(person.user, true);
        }
        let rig = Rig::whole(log).await;
        let api = crate::api::router(rig.services.clone());
        let connector = Connector::register(&rig, &cluster).await;
        let mut parties = Vec::new();
        let mut on = async |person: Person| {
            let Agent { party, caller } = Agent::register(&rig, &person).await;
            let connection = party.connection.clone();
            parties.push(party);
            Somebody {
                person,
                connection,
                caller,
            }
        };
        let [sue, sam] = suspended;
        let [rob, ron] = revoked;
        let (root, ada, eve) = (on(root).await, on(ada).await, on(eve).await);
        let (auditor, manager, pam) = (on(auditor).await, on(manager).await, on(pam).await);
        let suspended = [on(sue).await, on(sam).await];
        let revoked = [on(rob).await, on(ron).await];
        Self {
            cluster,
            other,
            gone,
            connector,
            root,
            ada,
            eve,
            auditor,
            manager,
            pam,
            suspended,
            revoked,
            bystander,
            api,
            _parties: parties,
            seen: 0,
            rig,
        }
    }

    /// Suspends those who are to be suspended, and waits until they are closed.
    pub(super) async fn suspend(&self) {
        let [device, user] = &self.suspended;
        let subjects = [
            suspensions::Subject::Device(device.person.device_id),
            suspensions::Subject::User(user.person.user),
        ];
        for subject in subjects {
            let set = &self.rig.services.suspensions;
            let set = set.set(subject, true, "says the test", self.root.person.user);
            set.await.unwrap();
        }
        self.are_out(&self.suspended, Reason::DeviceSuspended).await;
    }

    /// Revokes those who are to be revoked, and waits until they are closed.
    pub(super) async fn revoke(&mut self) {
        let [device, user] = &self.revoked;
        let device = Subject::Device(device.person.device_id);
        let user = Subject::User(user.person.user);
        let cluster = Subject::Cluster(self.gone.id);
        self.rig.says(|log| log.revoke(cluster)).await;
        self.rig.says(|log| log.revoke(device)).await;
        self.rig.says(|log| log.revoke(user)).await;
        self.are_out(&self.revoked, Reason::DeviceRevoked).await;
    }

    /// They are closed, and are not let in again.
    async fn are_out(&self, who: &[Somebody], reason: Reason) {
        for one in who {
            assert_eq!(closed(&one.connection).await, reason);
            let again = FakeParty::refused(&self.rig, &one.person.device, Alpn::Control).await;
            assert_eq!(again, reason);
        }
    }

    /// Signs somebody in who is not.
    pub(super) async fn sign_in(&self, person: &Person) {
        let (services, device) = (&self.rig.services, person.device_id);
        let now = services.clock.now();
        let held = services.store.sign_in_of(device, now, None);
        if held.await.unwrap().is_err() {
            self.rig.sign_in(person).await;
        }
    }

    /// Ends every sign-in of somebody.
    pub(super) async fn sign_out(&self, person: &Person) {
        let broker = &self.rig.services.broker;
        broker.sign_out(person.device_id).await.unwrap();
    }

    pub(super) fn goes_on(&self, span: Duration) {
        let clock = &self.rig.clock;
        clock.set(clock.now().after(span));
    }

    /// A call on the control connection of somebody.
    pub(super) async fn call(&mut self, connection: &Connection, request: &Request) -> Answer {
        let calling = on_stream(connection, request.http(Full::new(request.body())));
        tokio::select! {
            answer = calling => answer,
            never = accepts(&mut self.connector) => never,
        }
    }

    /// A call that was received before its caller was closed.
    pub(super) async fn call_in_flight(&self, who: &Somebody, request: &Request) -> Answer {
        let mut http = request.http(Body::from(request.body()));
        http.extensions_mut().insert(who.caller.clone());
        let answer = self.api.clone().oneshot(http).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Answer::Status(status, body)
    }

    /// A `+` for each refusal that was noted since this was asked last.
    pub(super) async fn noted(&mut self) -> String {
        let store = &self.rig.services.store;
        let new = store.audit_after(self.seen, 10_000).await.unwrap();
        self.seen = new.last().map_or(self.seen, |last| last.position);
        let events = new.iter().filter_map(|stored| {
            let record = <adit_proto::wire::audit::Record as prost::Message>::decode(
                &stored.record.record[..],
            );
            record.unwrap().event
        });
        "+".repeat(events.filter(refuses).count())
    }
}

fn refuses(event: &Event) -> bool {
    match event {
        Event::Refusal(_) => true,
        Event::SignIn(event) => !event.reason.is_empty(),
        Event::SessionDecided(event) => !event.reason.is_empty(),
        Event::Enrolment(event) => !event.reason.is_empty(),
        Event::ChainStarted(_)
        | Event::RequestIntent(_)
        | Event::RequestOutcome(_)
        | Event::RequestExplained(_)
        | Event::SessionOver(_)
        | Event::StreamIntent(_)
        | Event::StreamOutcome(_)
        | Event::StatementAppended(_)
        | Event::AdminAction(_) => false,
    }
}

/// What came of a call.
pub(super) enum Answer {
    Status(StatusCode, Bytes),
    Closed(Reason),
}

impl Answer {
    /// As a cell has it.
    pub(super) fn outcome(&self) -> String {
        match self {
            Self::Closed(reason) => reason.to_string(),
            Self::Status(status, _) if status.is_success() => "allowed".to_owned(),
            Self::Status(_, body) => {
                let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
                body["code"].as_str().unwrap_or("no code").to_owned()
            }
        }
    }

    pub(super) fn body(&self) -> &[u8] {
        match self {
            Self::Closed(_) => b"",
            Self::Status(_, body) => body,
        }
    }
}

/// A connector that accepts whatever is offered.
pub(super) async fn accepts<T>(connector: &mut Connector) -> T {
    loop {
        if connector.party.connection.close_reason().is_some() {
            std::future::pending::<()>().await;
        }
        connector.accept().await;
    }
}

pub(super) async fn on_stream(connection: &Connection, http: HttpRequest<Full<Bytes>>) -> Answer {
    let calling = async {
        let (send, recv) = connection.open_bi().await.ok()?;
        let stream = TokioIo::new(tokio::io::join(recv, send));
        let (mut sender, driver) = hyper::client::conn::http1::handshake(stream).await.ok()?;
        let call = async {
            let answer = sender.send_request(http).await.ok()?;
            let status = answer.status();
            let body = answer.into_body().collect().await.ok()?.to_bytes();
            Some(Answer::Status(status, body))
        };
        let (answer, _) = tokio::join!(call, driver);
        answer
    };
    match patiently(calling).await {
        Some(answer) => answer,
        None => Answer::Closed(closed(connection).await),
    }
}
