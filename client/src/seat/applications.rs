//! The web applications of a profile in its person's browser.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_proto::target::Target;
use ring::rand::SystemRandom;
use tokio::sync::Mutex;
use tokio::time::timeout;
use url::Url;

use super::{Local, Seat};
use crate::browser::{self, Caller, Page};
use crate::clock;
use crate::exit::Failure;
use crate::loopback::{Bound, Closing};
use crate::talk::Talk;
use crate::web::gate::{Gate, Invitation};
use crate::web::listener::{self, Service};
use crate::web::names::Names;
use crate::web::nonce;

struct Serving {
    gate: Arc<Gate>,
    closing: Closing,
}

/// The listener of a profile's web applications. It is opened for the first of them, and from then on with the agent, so
/// that nobody else gets its port while the agent runs.
pub struct Applications {
    directory: PathBuf,
    local: Local,
    /// Held while it is opened: a second one that opens it would find its own port taken.
    serving: Mutex<Option<Serving>>,
}

impl std::fmt::Debug for Applications {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Applications")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl Applications {
    /// A listener that is not open yet.
    #[must_use]
    pub(super) fn new(directory: &Path, local: Local) -> Self {
        Self {
            directory: directory.to_owned(),
            local,
            serving: Mutex::new(None),
        }
    }

    /// Opens the port that is remembered, if there is one. What is in the way is told by [`Applications::invite`].
    pub async fn reopen(&self) {
        let place = listener::place(&self.directory);
        if !matches!(place.remembered(), Ok(Some(_))) {
            return;
        }
        let mut serving = self.serving.lock().await;
        let opened = place.bind(&SystemRandom::new()).await;
        match opened.map_err(Failure::new).and_then(|it| self.serve(it)) {
            Ok(opened) => *serving = Some(opened),
            Err(failure) => {
                tracing::warn!("Web applications are not served: {}", failure.message);
            }
        }
    }

    /// Makes the first address of an application; chooses another port for all of them if `move_port`.
    ///
    /// # Errors
    /// Who has the port, or that there is none.
    pub async fn invite(&self, target: &Target, move_port: bool) -> Result<Invitation, Failure> {
        let mut serving = self.serving.lock().await;
        let (place, rng) = (listener::place(&self.directory), SystemRandom::new());
        let opened = if move_port {
            let moved = place.choose(&rng).await.map_err(Failure::new)?;
            if let Some(old) = serving.take() {
                old.closing.now.cancel();
            }
            self.serve(moved)?
        } else if let Some(open) = serving.take() {
            open
        } else {
            self.serve(place.bind(&rng).await.map_err(Failure::new)?)?
        };
        serving.insert(opened).gate.invite(target, clock::now())
    }

    fn serve(&self, bound: Bound) -> Result<Serving, Failure> {
        let names = Names::load(&self.directory)?;
        let gate = Arc::new(Gate::new(bound.port(), names)?);
        let service = Arc::new(Service {
            gate: gate.clone(),
            carrier: self.local.carrier(),
        });
        let closing = self.local.closing();
        let serving = listener::serve(bound, service, self.local.open.clone(), closing.clone());
        self.local.listening.spawn(serving);
        Ok(Serving { gate, closing })
    }
}

impl Seat {
    /// Opens an application in the person's browser and waits until that has come; returns its origin.
    ///
    /// # Errors
    /// Who has the port, or that no browser came in time.
    ///
    /// # Cancel safety
    /// The first address stays good until its minute is over.
    pub async fn open(
        &self,
        target: &Target,
        move_port: bool,
        caller: &Caller,
        talk: &Talk,
    ) -> Result<String, Failure> {
        let invitation = self.applications().invite(target, move_port).await?;
        let address = invitation.address();
        let page = Page::own(Url::parse(&address).map_err(Failure::new)?);
        // Its file stays until the browser came.
        let opened = browser::open(&page, caller, self.directory());
        match &opened {
            Ok(_) => talk.say(format!("Opening {} in the browser.", invitation.origin)),
            Err(failure) => talk.say(format!(
                "{}. Open this address in a browser on this machine, within a minute: {address}",
                failure.message
            )),
        }
        let came = timeout(nonce::LIFE, invitation.nonce.shown.cancelled()).await;
        came.map_err(|_| {
            Failure::new("no browser came within a minute").repaired_by(
                "set BROWSER to one that finds names under localhost: Chrome, Edge and Firefox do, Safari does not",
            )
        })?;
        Ok(invitation.origin)
    }
}
