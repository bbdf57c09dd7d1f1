//! A gateway as far as enrolments need one.

use std::time::Duration;

use adit_proto::frame::Limit;
use adit_proto::invitation::Invitation;
use adit_proto::secret::Secret;
use adit_proto::statement::hash_of;
use adit_proto::testing::{Log, random};
use adit_proto::wire::enrol::{EnrolDone, Frame};
use adit_transport::frame::{FrameReader, FrameWriter};
use prost::Message as _;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::client::Client;
use crate::audit::Audit;
use crate::ceremony::tests::{ORIGIN, RP_ID};
use crate::ceremony::{Ceremonies, Settings};
use crate::clock::{Clock, Entropy};
use crate::enrol::*;
use crate::roster_log::{Founding, Parts};
use crate::store::statements::StoredStatement;

pub(super) struct Gateway {
    enrolments: Enrolments,
    pub(super) log: Arc<RosterLog>,
    pub(super) store: Store,
    pub(super) clock: Clock,
}

impl Gateway {
    /// A gateway whose roster is `log`.
    pub(super) async fn of(store: Store, log: &Log) -> Self {
        for statement in &log.statements {
            let genesis = if statement.number == 1 {
                [0; 32]
            } else {
                log.genesis()
            };
            let stored = StoredStatement {
                number: statement.number,
                hash: hash_of(&genesis, statement).unwrap(),
                kind: u16::try_from(statement.kind).unwrap(),
                statement: statement.encode_to_vec(),
            };
            store.append_statement(&stored, log.now).await.unwrap();
        }
        Self::make(store, log).await
    }

    /// A gateway that waits for the genesis, and its first invitation.
    pub(super) async fn before_genesis(store: Store, log: &Log) -> (Self, Invitation) {
        let address = "127.0.0.1:8443".parse().unwrap();
        let print = log.gateways.fingerprint();
        let first = Invitation::new(Secret::new(random()), &print, [0; 32], address);
        let key = first.key().public();
        store
            .set_deployment(Entry::FirstInvitation, key.as_bytes())
            .await
            .unwrap();
        (Self::make(store, log).await, first)
    }

    async fn make(store: Store, log: &Log) -> Self {
        let (clock, entropy) = (Clock::standing_at(log.now), Entropy::default());
        let open = Audit::open(store.clone(), clock.clone(), entropy.clone(), [1; 16]);
        let audit = open.await.unwrap();
        let next_key = log.roster.gateways().next.clone();
        let parts = Parts {
            store: store.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            audit: Arc::clone(&audit),
            founding: Founding {
                gateways_key: log.gateways.public().clone(),
                gateways_next_key: next_key.clone(),
                rp_id: RP_ID.into(),
                origins: vec![ORIGIN.into()],
            },
            turn: Duration::from_secs(5),
            tasks: TaskTracker::new(),
        };
        let settings = Settings {
            origin: ORIGIN.into(),
            ceremony: Duration::from_mins(5),
            sign_in: Duration::from_hours(12),
            headless: Some(Duration::from_hours(1)),
            at_once: 32,
            software_authenticator: true,
        };
        let roster = Arc::new(RosterLog::open(parts).await.unwrap());
        let made = Ceremonies::new(store.clone(), clock.clone(), entropy.clone(), settings);
        let enrolments = Enrolments {
            ceremonies: Arc::new(made),
            roster: Arc::clone(&roster),
            store: store.clone(),
            audit,
            clock: clock.clone(),
            entropy,
            relying_party: log.roster.relying_party().clone(),
            next_key,
        };
        Self {
            enrolments,
            log: roster,
            store,
            clock,
        }
    }

    /// Says one thing after the other, each as the answer to what the gateway said, and tells the reason of a refusal.
    pub(super) async fn says(&self, peer: Peer, messages: Vec<Message>) -> String {
        let (near, far) = tokio::io::duplex(4 << 10);
        let (reader, writer) = tokio::io::split(far);
        let deadline = Instant::now() + STRANGER;
        let serving = self.enrolments.serve_stream(peer, reader, writer, deadline);
        let saying = async {
            let (reader, writer) = tokio::io::split(near);
            let mut writer = FrameWriter::new(writer, Limit::STRANGER);
            let mut reader = FrameReader::new(reader, Limit::PARTY);
            for message in messages {
                let (critical, message) = (false, Some(message));
                writer.write(&Frame { critical, message }).await.unwrap();
                let answer: Frame = reader.read().await.unwrap().unwrap();
                if let Some(Message::Refused(refused)) = answer.message {
                    return refused.reason;
                }
            }
            "taken".to_owned()
        };
        let (_, said) = tokio::join!(serving, saying);
        said
    }

    /// Serves a client to the end; what it was refused with is reason and detail.
    pub(super) async fn enrol(&self, client: &Client) -> Result<EnrolDone, (String, String)> {
        let (near, far) = tokio::io::duplex(64 << 10);
        let (reader, writer) = tokio::io::split(far);
        let deadline = Instant::now() + STRANGER;
        let serving = self
            .enrolments
            .serve_stream(client.peer(), reader, writer, deadline);
        let (_, done) = tokio::join!(serving, client.run(near, &self.enrolments.ceremonies));
        done
    }
}
