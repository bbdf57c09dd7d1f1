//! The local Kubernetes endpoint of a profile, opened, moved and described.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use ring::rand::SystemRandom;
use serde::{Deserialize, Serialize};

use crate::exit::Failure;
use crate::explain::Explanations;
use crate::kube::certificate::Certificate;
use crate::kube::gate::Gate;
use crate::kube::listener::{self, Service};
use crate::kube::token::TokenKey;
use crate::loopback::{Bound, Closing};
use crate::paths::Paths;
use crate::profile::ProfileName;
use crate::seat::Local;

/// Where the endpoint is, for the kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The listener's certificate.
    pub certificate_pem: String,
}

struct Serving {
    described: Described,
    closing: Closing,
}

/// The endpoint of one profile.
pub struct Endpoint {
    directory: PathBuf,
    token_key: PathBuf,
    name: ProfileName,
    local: Local,
    explanations: Arc<Explanations>,
    serving: Mutex<Result<Serving, Failure>>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    /// An endpoint that is not open yet.
    #[must_use]
    pub(super) fn new(paths: &Paths, name: &ProfileName, local: Local) -> Self {
        Self {
            directory: paths.profile(name),
            token_key: paths.token_key(),
            name: name.clone(),
            local,
            explanations: Arc::default(),
            serving: Mutex::new(Err(Failure::new("the local endpoint is not open"))),
        }
    }

    /// Opens the remembered port, or a new one. What is in the way is kept for [`Endpoint::described`].
    pub async fn open(&self) {
        let bound = listener::place(&self.directory)
            .bind(&SystemRandom::new())
            .await;
        let served = bound
            .map_err(Failure::new)
            .and_then(|bound| self.serve(bound));
        if let Err(failure) = &served {
            tracing::warn!("The local endpoint is not open: {}", failure.message);
        }
        *self.serving.lock() = served;
    }

    /// Opens it if it is not, and says where it is.
    ///
    /// # Errors
    /// Who has the port.
    pub async fn described(&self) -> Result<Described, Failure> {
        let open = self.serving.lock().is_ok();
        // A port that was given up is another agent's, and is where it was.
        if !open && !self.local.gently.is_cancelled() {
            self.open().await;
        }
        match &*self.serving.lock() {
            Ok(serving) => Ok(serving.described.clone()),
            Err(failure) => Err(failure.clone()),
        }
    }

    /// Moves to another port and remembers it. Requests on the old one end.
    ///
    /// # Errors
    /// When there is no other port.
    pub async fn move_away(&self) -> Result<Described, Failure> {
        let bound = listener::place(&self.directory)
            .choose(&SystemRandom::new())
            .await;
        let served = self.serve(bound.map_err(Failure::new)?)?;
        let described = served.described.clone();
        let old = std::mem::replace(&mut *self.serving.lock(), Ok(served));
        if let Ok(old) = old {
            old.closing.now.cancel();
        }
        Ok(described)
    }

    /// The explanations that are running.
    #[must_use]
    pub fn explanations(&self) -> &Explanations {
        &self.explanations
    }

    /// The key of the tokens.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn token_key(&self) -> Result<TokenKey, Failure> {
        TokenKey::load_or_create(&self.token_key, &SystemRandom::new()).map_err(Failure::new)
    }

    fn serve(&self, bound: Bound) -> Result<Serving, Failure> {
        let certificate = Certificate::load_or_create(&self.directory).map_err(Failure::new)?;
        let port = bound.port();
        let service = Service {
            gate: Gate::new(port, self.name.clone(), self.token_key()?),
            carrier: self.local.carrier(),
            explanations: self.explanations.clone(),
        };
        let tls = certificate.server_config().map_err(Failure::new)?;
        let closing = self.local.closing();
        let open = self.local.open.clone();
        let serving = listener::serve(bound, tls, Arc::new(service), open, closing.clone());
        self.local.listening.spawn(serving);
        let described = Described {
            port,
            certificate_pem: certificate.pem().to_owned(),
        };
        Ok(Serving { described, closing })
    }
}
