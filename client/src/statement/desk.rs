//! Where statements are made: what of the world they need.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adit_proto::roster::Roster;
use adit_proto::statement::Head;

use crate::api::Api;
use crate::browser::Caller;
use crate::ceremony::{self, Shown};
use crate::exit::Failure;
use crate::roster::Followed;
use crate::talk::Talk;

/// How long the statements before a turn may take to come: the turn itself is over after 5 s.
const FOLLOWING: Duration = Duration::from_secs(4);

/// Where statements are made: the gateway's API, a page for the person, and the log that the agent follows.
pub trait Desk: Sync {
    /// Keeps a page open until it is dropped.
    type Page: Send;

    /// The gateway's API, with a sign-in.
    fn api(&self) -> &dyn Api;

    /// Shows a page of the gateway to the person.
    fn show(&self, url: &str) -> impl Future<Output = Result<Self::Page, Failure>> + Send;

    /// Goes on in the tab that is open already, which the gateway leads to `url`; shows it where there is no tab.
    fn goes_on(
        &self,
        url: &str,
    ) -> impl Future<Output = Result<Option<Self::Page>, Failure>> + Send;

    /// The newest statement that the agent has seen, by whatever way.
    fn followed(&self) -> Option<Head>;

    /// The log that the agent follows, once it has come to statement `number`.
    fn follow(&self, number: u64) -> impl Future<Output = Result<Arc<Roster>, Failure>> + Send;
}

/// The desk of a person who sits at this machine.
#[derive(Clone)]
pub struct AgentDesk<'a> {
    /// The gateway's API, with a sign-in.
    pub api: &'a dyn Api,
    /// Who asks.
    pub caller: &'a Caller,
    /// The profile's directory.
    pub directory: &'a Path,
    /// What the person hears.
    pub talk: &'a Talk,
    /// The log that the agent follows, as it was.
    pub roster: Arc<Roster>,
    /// The log that the agent follows.
    pub follower: &'a Followed,
}

impl fmt::Debug for AgentDesk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentDesk")
            .field("caller", self.caller)
            .finish_non_exhaustive()
    }
}

impl Desk for AgentDesk<'_> {
    type Page = Shown;

    fn api(&self) -> &dyn Api {
        self.api
    }

    async fn show(&self, url: &str) -> Result<Shown, Failure> {
        let origins = self.roster.relying_party().origins();
        ceremony::show(url, origins, self.caller, self.directory, self.talk).await
    }

    async fn goes_on(&self, url: &str) -> Result<Option<Shown>, Failure> {
        if ceremony::in_software(self.caller) {
            return self.show(url).await.map(Some);
        }
        Ok(None)
    }

    fn followed(&self) -> Option<Head> {
        Some(self.roster.head())
    }

    async fn follow(&self, number: u64) -> Result<Arc<Roster>, Failure> {
        let come = |roster: &Roster| roster.number() >= number;
        self.follower.wait_for(FOLLOWING, come).await
    }
}
