//! A whole gateway: its parts, and the faces that they show to browsers, strangers and agents.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use adit_proto::assertion::{RelyingParty, RelyingPartyError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Faces, StartError, assemble};
use crate::api;
use crate::clock::{Clock, Entropy};
use crate::config::Config;
use crate::enrol::{Enrolling, Enrolments};
use crate::services::Services;
use crate::web::{self, ListenError, Scheme, Site};

/// Why a gateway does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A part does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The public address cannot be one of WebAuthn.
    #[error("public_url cannot be used for passkeys")]
    RelyingParty(#[from] RelyingPartyError),
    /// The files of HTTPS cannot be used.
    #[error("the files under tls cannot be used")]
    Web(#[from] ListenError),
    /// The socket of the pages.
    #[error("cannot listen on TCP {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
}

/// Runs a gateway until `shutdown`.
///
/// # Errors
/// [`RunError`] if it cannot begin.
pub async fn run(
    config: Config,
    clock: Clock,
    entropy: Entropy,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    if config.insecure_software_authenticator {
        tracing::warn!(
            "INSECURE: the software authenticator is accepted, so a file can take the place of a person's passkey; \
            unset insecure_software_authenticator unless this is a test or a demonstration"
        );
    }
    let assembled = Box::pin(assemble(config, clock, entropy)).await?;
    let services = assembled.services().clone();
    let faces = faces(&services)?;
    let (listener, scheme) = pages_socket(&services.config).await?;
    let site = site(&services);
    // When the control plane cannot begin the pages end too.
    let stop = shutdown.child_token();
    let pages = web::serve(listener, scheme, web::router(site), stop.clone());
    let control = async {
        let ended = Box::pin(assembled.run(faces, shutdown)).await;
        stop.cancel();
        ended
    };
    let ((), ended) = tokio::join!(pages, control);
    Ok(ended?)
}

/// What browsers are answered with.
pub(crate) fn site(services: &Services) -> Site {
    let authority = authority(&services.config);
    Site::new(
        Arc::clone(&services.ceremonies),
        Arc::clone(&services.roster),
        Arc::clone(&services.audit),
        &authority,
    )
}

/// What strangers and agents are answered with.
pub(crate) fn faces(services: &Services) -> Result<Faces, RelyingPartyError> {
    let public = &services.config.public;
    let enrolments = Enrolments {
        ceremonies: Arc::clone(&services.ceremonies),
        roster: Arc::clone(&services.roster),
        store: services.store.clone(),
        audit: Arc::clone(&services.audit),
        clock: services.clock.clone(),
        entropy: services.entropy.clone(),
        relying_party: RelyingParty::new(public.rp_id(), &[public.origin()])?,
        next_key: services.keys.next.clone(),
    };
    Ok(Faces {
        enrol: Arc::new(Enrolling::new(enrolments)),
        api: api::router(services.clone()),
    })
}

async fn pages_socket(config: &Config) -> Result<(TcpListener, Scheme), RunError> {
    let scheme = match &config.tls {
        Some(files) => Scheme::https(&files.cert_file, &files.key_file)?,
        None => Scheme::Plain,
    };
    let address = config.listen;
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|source| RunError::Bind { address, source })?;
    Ok((listener, scheme))
}

/// The origin without its scheme: what browsers write into `Host`.
fn authority(config: &Config) -> String {
    let origin = config.public.origin();
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.unwrap_or_default().to_owned()
}
