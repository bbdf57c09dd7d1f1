//! The control connection: dialled for as long as the agent runs, registered, and read.
//!
//! ```text
//!  Resolving ─address─▶ Dialling ─answered─▶ Registering ─Registered─▶ Line ─lost─▶ Dialling
//!                          └──refused──▶ waits, at most 30 s, or until somebody asks
//! ```
//! Nothing here decides anything: frames go to whom they concern.

mod dial;
mod line;

use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::id::SessionId;
use adit_transport::cid::RouteId;
use adit_transport::key::DeviceSigner;
use adit_transport::party::Party;
use quinn::Connection;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::exit::Failure;
use crate::profile::Profile;
use crate::roster::Followed;

/// How long a caller waits for a line before it is told that the gateway cannot be reached.
const PATIENCE: Duration = Duration::from_secs(5);

/// A registered control connection and the party that it belongs to.
#[derive(Clone, Debug)]
pub struct Line {
    /// Opens links.
    pub party: Arc<Party>,
    /// Carries the API.
    pub connection: Connection,
    /// When it was registered.
    pub since: Instant,
}

/// What is heard on the line and held because of it.
pub trait Heard: Send + Sync + 'static {
    /// The sessions that are held.
    fn sessions(&self) -> Vec<SessionId>;
    /// The routes of links that are held.
    fn routes(&self) -> Vec<RouteId>;
    /// The gateway ended a session, or knows it no more.
    fn session_ended(&self, session: &str, reason: Reason, detail: &str);
    /// The gateway serves this device no more: what rested on it is over, though nobody may be there to say so.
    fn dismissed(&self, reason: Reason);
}

#[derive(Clone, Debug)]
enum State {
    /// Nobody has answered yet.
    Dialling,
    /// The gateway, or the name service, said no.
    Failed(Failure),
    Registered(Line),
}

/// The control connection of one profile.
#[derive(Debug)]
pub struct Control {
    state: watch::Sender<State>,
    /// Somebody wants the line now.
    wanted: Notify,
    /// Somebody wants newer statements.
    fetch: Notify,
}

/// Who dials, and what is said on the line.
pub struct Dialler {
    /// The gateway and who we are.
    pub profile: Profile,
    /// The device key.
    pub signer: Arc<dyn DeviceSigner>,
    /// 16 random bytes of this process.
    pub instance: [u8; 16],
    /// Takes the statements that come.
    pub roster: Arc<Followed>,
    /// Takes what is said about sessions.
    pub heard: Arc<dyn Heard>,
}

impl std::fmt::Debug for Dialler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialler")
            .field("gateway", &self.profile.gateway)
            .finish_non_exhaustive()
    }
}

impl Default for Control {
    fn default() -> Self {
        Self {
            state: watch::Sender::new(State::Dialling),
            wanted: Notify::new(),
            fetch: Notify::new(),
        }
    }
}

impl Control {
    /// Keeps the line up until `stop` is cancelled, and says goodbye then.
    ///
    /// # Cancel safety
    /// Dropping it loses the line and every link.
    pub async fn run(&self, dialler: &Dialler, stop: &CancellationToken) {
        tokio::select! {
            () = dial::keep_up(self, dialler) => {}
            () = stop.cancelled() => {
                let state = self.state.send_replace(State::Dialling);
                if let State::Registered(line) = state {
                    // Best effort: a gateway that does not answer must not hold the agent up.
                    let _ = timeout(Duration::from_secs(1), line.party.close(0, b"")).await;
                }
            }
        }
    }

    /// The line, as soon as there is one.
    ///
    /// # Errors
    /// What the gateway said, or [`Reason::GatewayUnreachable`] after 5 s.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn line(&self) -> Result<Line, Failure> {
        let mut state = self.state.subscribe();
        if matches!(*state.borrow_and_update(), State::Failed(_)) {
            self.wanted.notify_one();
            // What failed before may work now; one more answer is waited for.
            let _ = timeout(PATIENCE, state.changed()).await;
        }
        let settled = state.wait_for(|state| !matches!(state, State::Dialling));
        let settled = timeout(PATIENCE, settled).await;
        let state = settled.ok().and_then(Result::ok).map(|state| state.clone());
        match state {
            Some(State::Registered(line)) => Ok(line),
            Some(State::Failed(failure)) => Err(failure),
            Some(State::Dialling) | None => Err(unreachable()),
        }
    }

    /// The line, if it is there now.
    #[must_use]
    pub fn registered(&self) -> Option<Line> {
        match &*self.state.borrow() {
            State::Registered(line) => Some(line.clone()),
            State::Failed(_) | State::Dialling => None,
        }
    }

    /// What is known of the line without waiting: `None` while it is there.
    #[must_use]
    pub fn trouble(&self) -> Option<Failure> {
        match &*self.state.borrow() {
            State::Registered(_) => None,
            State::Failed(failure) => Some(failure.clone()),
            State::Dialling => Some(unreachable()),
        }
    }

    /// Returns when there has been no line for `span`, without a break.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn gone_for(&self, span: Duration) -> Failure {
        let is_there = |state: &State| matches!(state, State::Registered(_));
        let mut state = self.state.subscribe();
        loop {
            // The sender lives as long as this.
            let _ = state.wait_for(|state| !is_there(state)).await;
            if timeout(span, state.wait_for(is_there)).await.is_err() {
                return self.trouble().unwrap_or_else(unreachable);
            }
        }
    }

    /// Asks the gateway for statements that are not held yet.
    pub fn fetch_statements(&self) {
        self.fetch.notify_one();
    }
}

fn unreachable() -> Failure {
    Failure::of(Reason::GatewayUnreachable, "the gateway does not answer")
}
