//! Each message of the control protocol, by each sender.

use adit_proto::Reason;
use adit_proto::id::SessionId;
use adit_proto::testing::{TestKey, random};
use adit_proto::wire::audit::Record;
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::offer_answer::Answer;
use adit_proto::wire::control::{
    Accepted, AuditStored, AuditUpload, Frame, Goodbye, Lease, Metrics, Offer, OfferAnswer, Pair,
    PolicyText, Probe, Register, Registered, RosterFetch, RosterStatements, RouteMoved,
    SessionEnded,
};
use adit_transport::frame::FrameWriter;
use adit_transport::tls::Alpn;
use prost::Message as _;

use super::scene::Scene;
use super::{Differences, Table, same};
use crate::control::messages::{MESSAGES, declared};
use crate::testing::{Agent, Connector, FakeParty, closed, patiently};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_refuses_whoever_may_not_send_it() {
    let table = Table::read(include_str!("messages.txt"));
    table.covers(MESSAGES.iter().map(|message| message.name.to_owned()));
    let mut scene = Scene::new().await;
    scene.suspend().await;
    scene.revoke().await;
    let mut differences = Differences::default();
    for cell in table.cells() {
        let (row, column, _) = cell;
        let seen = scene.send(row, column).await;
        differences.compare(cell, &seen);
    }
    differences.finish();
    scene.rig.stop().await;
}

impl Scene {
    async fn send(&mut self, row: &str, column: &str) -> String {
        self.noted().await;
        let outcome = match column {
            "first" => {
                let keys = [&self.ada.person.device, &self.cluster.key];
                self.dialled_by_each(row, &keys).await
            }
            "unknown key" => self.dialled(row, &TestKey::generate()).await,
            "suspended" => {
                let [one, two] = &self.suspended;
                let keys = [&one.person.device, &two.person.device];
                self.dialled_by_each(row, &keys).await
            }
            "revoked" => {
                let [one, two] = &self.revoked;
                let keys = [&one.person.device, &two.person.device, &self.gone.key];
                self.dialled_by_each(row, &keys).await
            }
            "device" => {
                let agent = Agent::register(&self.rig, &self.ada.person).await;
                registered(agent.party, message(row)).await
            }
            "connector" => {
                let connector = Connector::register(&self.rig, &self.cluster).await;
                registered(connector.party, message(row)).await
            }
            "another's" if row == "audit_upload" => {
                let (upload, sent) = upload();
                let audit = &self.rig.services.audit;
                audit.upload(self.cluster.id, sent).await.unwrap();
                let other = Connector::register(&self.rig, &self.other).await;
                registered(other.party, upload).await
            }
            "another's" => self.about_a_session(row, false).await,
            "over" => self.about_a_session(row, true).await,
            other => panic!("nobody is called {other}"),
        };
        outcome + &self.noted().await
    }

    async fn dialled_by_each(&self, row: &str, keys: &[&TestKey]) -> String {
        let mut outcome: Option<String> = None;
        for key in keys {
            let one = self.dialled(row, key).await;
            outcome = Some(match outcome {
                Some(before) => same(before, &one),
                None => one,
            });
        }
        outcome.unwrap()
    }

    /// Sends a message first on a new connection.
    async fn dialled(&self, row: &str, key: &TestKey) -> String {
        let (_party, connection) = FakeParty::connect(&self.rig, key, Alpn::Control).await;
        let sent = async {
            let (send, recv) = connection.open_bi().await.ok()?;
            let limit = adit_proto::frame::Limit::PARTY;
            let mut writer = FrameWriter::new(send, limit);
            writer.write(&frame(message(row))).await.ok()?;
            let mut reader = adit_transport::frame::FrameReader::new(recv, limit);
            let answer: Frame = reader.read().await.ok()??;
            answer.message
        };
        match patiently(sent).await {
            Some(Message::Registered(_)) => "taken".to_owned(),
            Some(other) => panic!("{other:?}"),
            None => closed(&connection).await.to_string(),
        }
    }

    /// A message of others about a live session of Ada, or of its own ends after it has ended.
    async fn about_a_session(&mut self, row: &str, over: bool) -> String {
        self.sign_in(&self.ada.person).await;
        let session = self.session(&self.ada.clone()).await.unwrap();
        if over {
            let broker = &self.rig.services.broker;
            assert!(broker.end(session, Reason::SessionRevoked, "").await);
        }
        let device = if over { &self.ada } else { &self.eve };
        let cluster = if over { &self.cluster } else { &self.other };
        let agent = Agent::register(&self.rig, &device.person).await.party;
        let connector = Connector::register(&self.rig, cluster).await.party;
        let outcomes = match row {
            "register" => {
                let (one, two) = (
                    self.claims(agent, session).await,
                    self.claims(connector, session).await,
                );
                same(one, &two)
            }
            "session_ended" => {
                let (one, two) = (ended(session), ended(session));
                same(
                    registered(agent, one).await,
                    &registered(connector, two).await,
                )
            }
            "offer_answer" => registered(connector, accepted(session)).await,
            other => panic!("{other} names no session"),
        };
        let live = self.rig.services.broker.live();
        let lives = live.iter().any(|one| one.id == session);
        assert_eq!(lives, !over, "the session stays as it was");
        assert_eq!(outcomes, "taken");
        "ignored".to_owned()
    }

    /// Names a session as its own when it dials again: it is told that there is none.
    async fn claims(&self, mut party: FakeParty, session: SessionId) -> String {
        party.dial_again().await;
        let named = Register {
            sessions: vec![session.to_string()],
            ..Register::default()
        };
        let answer = party.register(named).await;
        let lost = answer.lost_sessions.first().unwrap();
        assert_eq!(lost.session_id, session.to_string());
        "taken".to_owned()
    }
}

/// Sends a message on a registered connection, and waits until it was dealt with.
async fn registered(mut party: FakeParty, message: Message) -> String {
    party.up_to_date().await;
    let uploads = matches!(message, Message::AuditUpload(_));
    party.send(message).await;
    if !uploads {
        let fetch = RosterFetch { from_number: 1 };
        party.send(Message::RosterFetch(fetch)).await;
    }
    loop {
        match party.next().await {
            Some(Message::AuditStored(_)) => return "taken".to_owned(),
            Some(Message::RosterStatements(_)) if !uploads => return "taken".to_owned(),
            Some(_) => {}
            None => return party.closed().await.to_string(),
        }
    }
}

fn frame(message: Message) -> Frame {
    let (critical, message) = (false, Some(message));
    Frame { critical, message }
}

fn ended(session: SessionId) -> Message {
    Message::SessionEnded(SessionEnded {
        session_id: session.to_string(),
        reason: Reason::SessionRevoked.to_string(),
        detail: String::new(),
    })
}

fn accepted(session: SessionId) -> Message {
    Message::OfferAnswer(OfferAnswer {
        session_id: session.to_string(),
        answer: Some(Answer::Accepted(Accepted::default())),
    })
}

/// One record that begins a chain, as a message and as what is in it.
fn upload() -> (Message, AuditUpload) {
    let record = Record {
        chain: random::<16>().to_vec(),
        seq: 1,
        prev: vec![0; 32],
        ..Record::default()
    };
    let records = vec![record.encode_to_vec()];
    let upload = AuditUpload { records };
    (Message::AuditUpload(upload.clone()), upload)
}

/// The message of a row. One that is declared and not here turns the table red.
fn message(row: &str) -> Message {
    let message = match row {
        "register" => Message::Register(Register {
            instance: random::<16>().to_vec(),
            ..Register::default()
        }),
        "probe" => Message::Probe(Probe::default()),
        "offer_answer" => Message::OfferAnswer(OfferAnswer::default()),
        "audit_upload" => upload().0,
        "roster_fetch" => Message::RosterFetch(RosterFetch { from_number: 1 }),
        "metrics" => Message::Metrics(Metrics::default()),
        "session_ended" => Message::SessionEnded(SessionEnded::default()),
        "registered" => Message::Registered(Registered::default()),
        "roster_statements" => Message::RosterStatements(RosterStatements::default()),
        "lease" => Message::Lease(Lease::default()),
        "policy_text" => Message::PolicyText(PolicyText::default()),
        "offer" => Message::Offer(Offer::default()),
        "pair" => Message::Pair(Pair::default()),
        "route_moved" => Message::RouteMoved(RouteMoved::default()),
        "audit_stored" => Message::AuditStored(AuditStored::default()),
        "goodbye" => Message::Goodbye(Goodbye::default()),
        other => panic!("no message is known for {other}"),
    };
    assert_eq!(declared(&message).name, row);
    message
}
