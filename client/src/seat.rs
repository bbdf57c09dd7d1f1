//! What the agent holds for one profile: the control connection, the roster, the sign-in, sessions, links, the local
//! Kubernetes endpoint, and the names of web applications. The only place where these are wired together.

mod applications;
mod credential;
mod endpoint;
mod forward;
mod heard;
mod local;
mod ping;
mod service_stream;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::roster::Roster;
use adit_proto::target::Target;
use adit_proto::wire::link::stream_header::Kind;
use adit_transport::key::PrivateKey;
use adit_transport::secret_file::Readers;
use adit_transport::stream::{self, LinkStream};
use futures_util::future::BoxFuture;
use http::Method;
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::{self, Answer, Api};
use crate::browser::Caller;
use crate::control::{Control, Dialler};
use crate::exit::Failure;
use crate::flight::Flights;
use crate::link::{GIVEN_UP, Links};
use crate::paths::Paths;
use crate::profile::{self, Profile, ProfileName};
use crate::random;
use crate::roster::Followed;
use crate::session::{Session, Sessions};
use crate::sign_in::{self, Browser, SignIn, Wanted};
use crate::statement::Statements;
use crate::talk::Talk;

pub use applications::Applications;
pub use credential::{Begun, Credential};
pub use endpoint::{Described, Endpoint};
pub use forward::Forward;
use local::Local;
pub use ping::{Leg, Pinged};
pub use service_stream::ServiceStream;

/// How long the first statements may take to come, right after enrolment.
const FIRST_STATEMENTS: Duration = Duration::from_secs(5);
/// How long one request of the API may take; the longest answer waits for a touch, 25 s at a time.
const API_PATIENCE: Duration = Duration::from_secs(40);

/// One profile, at work.
pub struct Seat {
    name: ProfileName,
    profile: Profile,
    directory: PathBuf,
    control: Arc<Control>,
    roster: Arc<Followed>,
    sessions: Arc<Sessions>,
    links: Arc<Links>,
    here: SigningIn,
    elsewhere: SigningIn,
    statements: Statements,
    endpoint: Endpoint,
    applications: Applications,
    local: Local,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Sign-ins of one kind that go on: who wants one joins the one that is there, and hears what it says.
struct SigningIn {
    flights: Flights<(), Result<SignIn, Failure>>,
    talk: Talk,
}

impl SigningIn {
    fn new(tasks: TaskTracker) -> Self {
        Self {
            flights: Flights::new(tasks),
            talk: Talk::default(),
        }
    }
}

/// Sends requests of the API over the control connection.
#[derive(Clone, Debug)]
struct OverControl(Arc<Control>);

impl Api for OverControl {
    fn send<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        body: Option<Value>,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(async move {
            let line = self.0.line().await?;
            let unanswered = |message: &str| Failure::of(Reason::GatewayUnreachable, message);
            let stream = stream::open(&line.connection, GIVEN_UP)
                .await
                .map_err(|error| unanswered(&error.to_string()))?;
            // One request: its framing says where it ends.
            stream.end().body_complete();
            let exchange = api::exchange(Box::new(stream), method, path, body.as_ref());
            let answered = timeout(API_PATIENCE, exchange).await;
            answered.unwrap_or_else(|_| Err(unanswered("the gateway did not answer in time")))
        })
    }
}

impl Seat {
    /// Sets a profile to work: dials, follows, and opens the local endpoint.
    ///
    /// # Errors
    /// When key, roster or randomness cannot be had. A local port that is taken is no error here.
    pub async fn new(paths: &Paths, name: &ProfileName, profile: Profile) -> Result<Self, Failure> {
        let directory = paths.profile(name);
        let key = PrivateKey::load(&profile::key_file(paths, name), Readers::Owner)
            .map_err(|error| Failure::new(format!("the device key cannot be used: {error}")))?;
        let signer = key.into_signer();
        let roster = Arc::new(Followed::load(&directory, profile.genesis)?);
        let (control, tasks) = (Arc::new(Control::default()), TaskTracker::new());
        let stop = CancellationToken::new();
        let api = Arc::new(OverControl(control.clone()));
        let sessions = Arc::new(Sessions::new(api, roster.clone(), tasks.clone()));
        let links = Arc::new(Links::new(
            roster.clone(),
            control.clone(),
            sessions.clone(),
            tasks.clone(),
        ));
        let dialler = Dialler {
            profile: profile.clone(),
            signer: signer.clone(),
            instance: random::bytes()?,
            roster: roster.clone(),
            heard: Arc::new(heard::Ears::new(sessions.clone(), links.clone())),
        };
        let (line, stopped) = (control.clone(), stop.clone());
        tasks.spawn(async move { line.run(&dialler, &stopped).await });
        tasks.spawn(heard::judge(
            roster.clone(),
            sessions.clone(),
            links.clone(),
            stop.clone(),
        ));
        let streams = Arc::new(heard::ToTargets::new(
            sessions.clone(),
            links.clone(),
            control.clone(),
        ));
        let statements = Statements::new(signer.clone(), profile.genesis);
        let local = Local::new(streams, stop.clone());
        let applications = Applications::new(&directory, local.clone());
        let endpoint = Endpoint::new(paths, name, local.clone());
        endpoint.open().await;
        applications.reopen().await;
        Ok(Self {
            name: name.clone(),
            profile,
            directory,
            control,
            roster,
            sessions,
            links,
            here: SigningIn::new(tasks.clone()),
            elsewhere: SigningIn::new(tasks.clone()),
            statements,
            endpoint,
            applications,
            local,
            tasks,
            stop,
        })
    }

    /// What this machine is enrolled as.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The profile's name.
    #[must_use]
    pub fn name(&self) -> &ProfileName {
        &self.name
    }

    /// The profile's directory.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// The roster as it is followed.
    #[must_use]
    pub fn roster(&self) -> &Arc<Followed> {
        &self.roster
    }

    /// The control connection.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The local Kubernetes endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Web applications in this person's browser.
    #[must_use]
    pub fn applications(&self) -> &Applications {
        &self.applications
    }

    /// The gateway's API.
    #[must_use]
    pub fn api(&self) -> impl Api + Clone + 'static {
        OverControl(self.control.clone())
    }

    /// The sessions that are held.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        self.sessions.held()
    }

    /// How many links are held.
    #[must_use]
    pub fn links(&self) -> usize {
        self.links.count()
    }

    /// Makes statements of the roster with the device key.
    #[must_use]
    pub fn statements(&self) -> &Statements {
        &self.statements
    }

    /// The roster, as soon as there is one.
    ///
    /// # Errors
    /// [`Reason::RosterStale`] when no genesis statement has come yet.
    pub async fn founded(&self) -> Result<Arc<Roster>, Failure> {
        let roster = self.roster.wait_for(FIRST_STATEMENTS, |_| true);
        // That the gateway cannot be reached says more than that nothing came from it.
        roster
            .await
            .map_err(|stale| self.control.trouble().unwrap_or(stale))
    }

    /// Signs in, together with whoever does so already; what is said is said on.
    ///
    /// # Errors
    /// A failure that says what to do.
    ///
    /// # Cancel safety
    /// The sign-in goes on for the others who wait.
    pub async fn sign_in(
        &self,
        caller: &Caller,
        browser: Browser,
        talk: &Talk,
    ) -> Result<SignIn, Failure> {
        let origins = self.founded().await?.relying_party().origins().to_vec();
        // Who reads a terminal elsewhere does not wait for a page that is open here.
        let signing_in = match browser {
            Browser::Here | Browser::Tab(_) => &self.here,
            Browser::Elsewhere => &self.elsewhere,
        };
        let begin = || {
            signing_in.talk.clear();
            let (api, talk) = (self.api(), signing_in.talk.clone());
            let caller = caller.clone();
            let directory = self.directory.clone();
            let sessions = self.sessions.clone();
            async move {
                let wanted = Wanted {
                    origins: &origins,
                    caller: &caller,
                    directory: &directory,
                    browser,
                };
                let signed_in = sign_in::sign_in(&api, &wanted, &talk).await?;
                sessions.renewed().await;
                Ok(signed_in)
            }
        };
        let mut landed = std::pin::pin!(signing_in.flights.join((), begin));
        let mut said = signing_in.talk.listen();
        let signed_in = loop {
            tokio::select! {
                biased;
                landed = &mut landed => break landed,
                lines = said.hear() => lines.into_iter().for_each(|line| talk.say(line)),
            }
        };
        said.rest().into_iter().for_each(|line| talk.say(line));
        signed_in.unwrap_or_else(|| Err(Failure::new("the sign-in failed")))
    }

    /// Forgets the sessions after a log-out.
    pub fn signed_out(&self) {
        self.sessions.forget_all(Reason::SignInRequired);
    }

    /// Opens a session for `target` if there is none.
    ///
    /// # Errors
    /// What the gateway said.
    pub async fn session(&self, target: &Target) -> Result<Session, Failure> {
        self.sessions.get(target).await
    }

    /// Opens a stream to `target`, and the session and the link that it needs.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub async fn stream(
        &self,
        target: &Target,
        kind: Kind,
    ) -> Result<(LinkStream, Session), Failure> {
        heard::stream(&self.sessions, &self.links, target, kind).await
    }

    /// Leaves ports and files to another agent. What is open goes on.
    ///
    /// # Cancel safety
    /// Ports may be open for a moment longer.
    pub async fn give_up(&self) {
        self.roster.keep_no_more();
        self.local.give_up().await;
    }

    /// Waits, after [`Seat::give_up`], until no local connection is open.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn emptied(&self) {
        self.local.emptied().await;
    }

    /// Ends everything and waits for it, at most a few seconds.
    pub async fn close(&self) {
        self.stop.cancel();
        self.sessions.forget_all(Reason::SignInRequired);
        self.tasks.close();
        let ended = async {
            self.tasks.wait().await;
            self.local.give_up().await;
            self.local.emptied().await;
        };
        if timeout(Duration::from_secs(3), ended).await.is_err() {
            tracing::warn!("Some tasks of a profile did not end in time.");
        }
    }
}

#[cfg(test)]
mod tests;
