//! What ends what: the gateway's word, the roster, and streams that are refused.

use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::id::SessionId;
use adit_proto::target::Target;
use adit_proto::wire::link::stream_header::Kind;
use adit_transport::cid::RouteId;
use adit_transport::stream::LinkStream;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::carry::{Opened, Passage, Streams};
use crate::control::{Control, Heard};
use crate::exit::Failure;
use crate::link::Links;
use crate::roster::Followed;
use crate::session::{Session, Sessions};

/// How long a request waits for the first of its answer while the gateway is gone. Streams that were answered wait on.
const UNANSWERED: Duration = Duration::from_secs(10);

/// Hears what the gateway says about sessions.
#[derive(Debug)]
pub(super) struct Ears {
    sessions: Arc<Sessions>,
    links: Arc<Links>,
}

impl Ears {
    pub(super) fn new(sessions: Arc<Sessions>, links: Arc<Links>) -> Self {
        Self { sessions, links }
    }
}

impl Heard for Ears {
    fn sessions(&self) -> Vec<SessionId> {
        self.sessions
            .held()
            .iter()
            .map(|session| session.id)
            .collect()
    }

    fn routes(&self) -> Vec<RouteId> {
        self.links.routes()
    }

    fn session_ended(&self, session: &str, reason: Reason, detail: &str) {
        tracing::info!(session.id = session, %reason, detail, "A session has ended.");
        if let Ok(session) = session.parse() {
            self.sessions.forget(session, reason);
        }
    }

    fn dismissed(&self, reason: Reason) {
        self.sessions.forget_all(reason);
    }
}

/// Ends sessions and links to whom the roster trusts no more, for as long as the profile is at work.
pub(super) async fn judge(
    roster: Arc<Followed>,
    sessions: Arc<Sessions>,
    links: Arc<Links>,
    stop: CancellationToken,
) {
    let mut statements = roster.watch();
    loop {
        let told = tokio::select! {
            told = statements.changed() => told,
            () = stop.cancelled() => return,
        };
        if told.is_err() {
            return;
        }
        sessions.judge_by_roster();
        links.judge_by_roster();
    }
}

/// Opens a stream; a session whose connector is gone is opened anew, once.
pub(super) async fn stream(
    sessions: &Sessions,
    links: &Links,
    target: &Target,
    kind: Kind,
) -> Result<(LinkStream, Session), Failure> {
    let session = sessions.get(target).await?;
    let refused = match links.stream(&session, kind.clone()).await {
        Ok(stream) => return Ok((stream, session)),
        Err(failure) if failure.reason() == Some(Reason::TargetOffline) => failure,
        Err(failure) => return Err(failure),
    };
    tracing::info!(
        "A connector is gone ({}); opening another session.",
        refused.message
    );
    sessions.forget(session.id, Reason::TargetOffline);
    let session = sessions.get(target).await?;
    let stream = links.stream(&session, kind).await?;
    Ok((stream, session))
}

/// Streams for what local clients send.
#[derive(Debug)]
pub(super) struct ToTargets {
    sessions: Arc<Sessions>,
    links: Arc<Links>,
    control: Arc<Control>,
}

impl ToTargets {
    pub(super) fn new(sessions: Arc<Sessions>, links: Arc<Links>, control: Arc<Control>) -> Self {
        Self {
            sessions,
            links,
            control,
        }
    }
}

impl Streams for ToTargets {
    fn open<'a>(&'a self, passage: &'a dyn Passage) -> BoxFuture<'a, Result<Opened, Failure>> {
        Box::pin(async {
            let (target, kind) = (passage.target(), passage.kind());
            let (stream, session) = stream(&self.sessions, &self.links, &target, kind).await?;
            Ok(Opened {
                end: Arc::new(stream.end()),
                io: Box::new(stream),
                over: session.over,
            })
        })
    }

    fn given_up(&self) -> BoxFuture<'_, Failure> {
        Box::pin(self.control.gone_for(UNANSWERED))
    }

    fn refused(&self, target: &Target, reason: Reason) {
        let over = matches!(
            reason,
            Reason::SessionExpired
                | Reason::SessionIdle
                | Reason::SessionRevoked
                | Reason::LeaseExpired
                | Reason::TargetOffline
        );
        for session in self.sessions.held() {
            if over && session.target == *target {
                self.sessions.forget(session.id, reason);
            }
        }
    }
}
