//! Links: one end-to-end connection for each connector instance, whose key is the roster's.
//!
//! The first stream of a link exchanges roster heads, before anything else goes through it: a connector that is ahead
//! gives what the gateway withheld. A link does not end with the control connection; it outlives a gateway that restarts.

mod silence;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::frame::{self, Limit};
use adit_proto::key::Fingerprint;
use adit_proto::roster::Relation;
use adit_proto::statement::Head;
use adit_proto::wire::link::{Heads, HeadsAnswer, StreamHeader, stream_header::Kind};
use adit_transport::cid::RouteId;
use adit_transport::frame::FrameReader;
use adit_transport::party::{DialError, Party};
use adit_transport::stream::{self, LinkStream, OpenError};
use adit_transport::tls::ServerPin;
use bytes::BytesMut;
use parking_lot::Mutex;
use quinn::Connection;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::control::{Control, Line};
use crate::exit::Failure;
use crate::flight::Flights;
use crate::reset;
use crate::roster::Followed;
use crate::session::{Session, Sessions};

/// How long a link may take to come up: dialling, and the exchange of heads each.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long the gateway may take to send what a connector has and we lack.
const CATCHING_UP: Duration = Duration::from_secs(2);
/// What a reset of a stream says when a request was given up: no reason of the protocol.
pub(crate) const GIVEN_UP: u32 = 0;

/// A connector's process: its cluster's key and its instance.
type Instance = (Fingerprint, [u8; 16]);

#[derive(Clone, Debug)]
struct Held {
    connection: Connection,
    route: RouteId,
}

/// The links of this device.
#[derive(Debug)]
pub struct Links {
    roster: Arc<Followed>,
    control: Arc<Control>,
    sessions: Arc<Sessions>,
    held: Arc<Mutex<HashMap<Instance, Held>>>,
    flights: Flights<Instance, Result<Connection, Failure>>,
    tasks: TaskTracker,
}

impl Links {
    /// No links; `tasks` owns what watches them.
    #[must_use]
    pub fn new(
        roster: Arc<Followed>,
        control: Arc<Control>,
        sessions: Arc<Sessions>,
        tasks: TaskTracker,
    ) -> Self {
        let flights = Flights::new(tasks.clone());
        let held = Arc::default();
        Self {
            roster,
            control,
            sessions,
            held,
            flights,
            tasks,
        }
    }

    /// Opens a stream of `session` and writes its header.
    ///
    /// # Errors
    /// [`Reason::GatewayUnreachable`] while there is no line: a link may live on, but it carries nothing then;
    /// [`Reason::TargetOffline`] when the connector does not answer; [`Reason::LimitReached`] when the link has no room.
    ///
    /// # Cancel safety
    /// Dropping it resets the stream.
    pub async fn stream(&self, session: &Session, kind: Kind) -> Result<LinkStream, Failure> {
        self.control.line().await?;
        let link = self.connection(session).await?;
        let header = StreamHeader {
            session_id: session.id.to_string(),
            kind: Some(kind),
        };
        begin(&link, &header).await
    }

    /// The routes of the links that are held.
    #[must_use]
    pub fn routes(&self) -> Vec<RouteId> {
        self.held.lock().values().map(|held| held.route).collect()
    }

    /// How many links are held.
    #[must_use]
    pub fn count(&self) -> usize {
        self.held.lock().len()
    }

    /// Closes the links to whom the roster trusts no more.
    pub fn judge_by_roster(&self) {
        let Some(roster) = self.roster.current() else {
            return;
        };
        for ((key, _), held) in &*self.held.lock() {
            let trusted = roster.cluster_by_key(key);
            if trusted.is_none_or(|cluster| cluster.revoked.is_some()) {
                held.connection
                    .close(Reason::UnknownOrForbidden.code().into(), b"");
            }
        }
    }

    /// The link that carries `session`, opened if there is none.
    ///
    /// # Errors
    /// [`Reason::TargetOffline`] when the connector does not answer.
    pub async fn connection(&self, session: &Session) -> Result<Connection, Failure> {
        let instance = (session.cluster_key.fingerprint(), session.instance);
        let held = self.held.lock().get(&instance).cloned();
        if let Some(held) = held
            && held.connection.close_reason().is_none()
        {
            return Ok(held.connection);
        }
        let begin = || {
            let opening = Opening {
                roster: self.roster.clone(),
                control: self.control.clone(),
                sessions: self.sessions.clone(),
                held: self.held.clone(),
                tasks: self.tasks.clone(),
            };
            opening.run(instance, session.route)
        };
        let opened = self.flights.join(instance, begin).await;
        opened.unwrap_or_else(|| Err(Failure::new("the link could not be opened")))
    }
}

/// What it takes to open a link.
struct Opening {
    roster: Arc<Followed>,
    control: Arc<Control>,
    sessions: Arc<Sessions>,
    held: Arc<Mutex<HashMap<Instance, Held>>>,
    tasks: TaskTracker,
}

impl Opening {
    async fn run(self, instance: Instance, route: RouteId) -> Result<Connection, Failure> {
        let Line { party, .. } = self.control.line().await?;
        let connection = party
            .connect_link(route, ServerPin::Key(instance.0), PATIENCE)
            .await
            .map_err(|error| refusal(&error))?;
        let exchanged = timeout(PATIENCE, self.exchange_heads(&connection)).await;
        let exchanged = exchanged.unwrap_or_else(|_| Err(silent()));
        if let Err(failure) = exchanged {
            let reason = failure.reason().unwrap_or(Reason::TargetOffline);
            connection.close(reason.code().into(), b"");
            party.withdrawn(route);
            return Err(failure);
        }
        let held = Held {
            connection: connection.clone(),
            route,
        };
        self.held.lock().insert(instance, held);
        let tasks = self.tasks.clone();
        tasks.spawn(self.watch(instance, connection.clone(), party));
        Ok(connection)
    }

    /// Waits until the link is lost, or its other end is gone, and forgets it and its sessions then.
    async fn watch(self, instance: Instance, connection: Connection, party: Arc<Party>) {
        let why = tokio::select! {
            why = connection.closed() => why.to_string(),
            () = silence::until_gone(&connection, &self.control) => {
                connection.close(Reason::TargetOffline.code().into(), b"");
                "its other end is silent".to_owned()
            }
        };
        tracing::info!("A link has ended: {why}.");
        let (key, process) = instance;
        self.sessions.forget_instance(&key, &process);
        let mut links = self.held.lock();
        let ours = |held: &Held| held.connection.stable_id() == connection.stable_id();
        if links.get(&instance).is_some_and(ours)
            && let Some(held) = links.remove(&instance)
        {
            party.withdrawn(held.route);
        }
    }

    /// Tells the connector our head and takes what it has and we lack, from the gateway or else from it.
    async fn exchange_heads(&self, connection: &Connection) -> Result<(), Failure> {
        let header = StreamHeader {
            session_id: String::new(),
            kind: Some(Kind::Heads(Heads {
                head: Some(self.roster.head().to_wire()),
            })),
        };
        let mut stream = begin(connection, &header).await?;
        stream.end().body_complete();
        stream.shutdown().await.map_err(|_| silent())?;
        let mut reader = FrameReader::new(stream, Limit::PARTY);
        let answer = reader.read::<HeadsAnswer>().await.map_err(|error| {
            let reason = reset::reason(&error).unwrap_or(Reason::TargetOffline);
            Failure::of(reason, "the connector refused to compare the roster")
        })?;
        let answer = answer.ok_or_else(silent)?;
        self.roster.take(&answer.statements)?;
        let head = answer.head.unwrap_or_default();
        let head = Head::try_from(&head)
            .map_err(|_| Failure::of(Reason::EvidenceInvalid, "the connector's head is none"))?;
        match self.roster.relation(&head) {
            Relation::Same | Relation::Behind => Ok(()),
            Relation::Ahead => {
                self.control.fetch_statements();
                let there = |roster: &adit_proto::roster::Roster| roster.number() >= head.number;
                self.roster.wait_for(CATCHING_UP, there).await?;
                self.same_branch(&head)
            }
            Relation::Fork | Relation::OtherLog => self.same_branch(&head),
        }
    }

    fn same_branch(&self, head: &Head) -> Result<(), Failure> {
        match self.roster.relation(head) {
            Relation::Same | Relation::Behind | Relation::Ahead => Ok(()),
            Relation::Fork | Relation::OtherLog => Err(Failure::of(
                Reason::RosterFork,
                "the cluster's connector follows another history than this machine",
            )),
        }
    }
}

async fn begin(connection: &Connection, header: &StreamHeader) -> Result<LinkStream, Failure> {
    let opened = stream::open(connection, GIVEN_UP).await;
    let mut stream = opened.map_err(|error| match &error {
        OpenError::LimitReached => {
            let message = "the link to the cluster carries no more requests at once";
            Failure::of(Reason::LimitReached, message)
        }
        OpenError::Lost(lost) => {
            let reason = reset::reason(lost).unwrap_or(Reason::TargetOffline);
            Failure::of(reason, "the link to the cluster is lost")
        }
    })?;
    let mut bytes = BytesMut::new();
    frame::put(header, Limit::PARTY, &mut bytes).map_err(Failure::new)?;
    stream.write_all(&bytes).await.map_err(|error| {
        let reason = reset::reason(&error).unwrap_or(Reason::TargetOffline);
        Failure::of(reason, "the link to the cluster is lost")
    })?;
    Ok(stream)
}

fn silent() -> Failure {
    Failure::of(
        Reason::TargetOffline,
        "the cluster's connector does not answer",
    )
}

fn refusal(error: &DialError) -> Failure {
    match error {
        DialError::Refused(_) => match reset::reason(error) {
            Some(reason) => Failure::of(reason, "the cluster's connector refuses this device"),
            None => Failure::of(
                Reason::EvidenceInvalid,
                "who answers for the cluster does not hold the key that the roster names",
            )
            .repaired_by(
                "tell an admin: the gateway may be hostile, or the cluster's key was lost",
            ),
        },
        DialError::OutOfPatience => silent(),
        DialError::Connect(_) | DialError::Tls(_) => Failure::new(error.to_string()),
    }
}
