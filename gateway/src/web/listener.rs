//! The listener's sockets: TLS, deadlines and limits around the router.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Connections at once. Each costs a file descriptor and up to [`HEAD_MAX`] and a body; the next one waits in the
/// kernel's queue.
const CONNECTIONS: usize = 1024;
/// Time for a TLS handshake, and for the head of a request; also how long a connection may idle.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest head of a request, in bytes. Browsers send about 1 KiB, and no cookie.
const HEAD_MAX: usize = 16 << 10;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// How long requests may go on after a shutdown began.
const DRAIN: Duration = Duration::from_secs(5);
/// Pause after an error of accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the listener cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// A PEM file cannot be read.
    #[error("cannot read {}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not go together, or one is of a kind that is not taken.
    #[error("certificate and key of the web listener cannot be used")]
    Tls(#[source] rustls::Error),
}

/// How browsers reach the listener.
#[derive(Clone)]
pub enum Scheme {
    /// `http://localhost` on a loopback listener.
    Plain,
    /// HTTPS.
    Tls(TlsAcceptor),
}

impl std::fmt::Debug for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Tls(_) => "Tls(…)",
        })
    }
}

impl Scheme {
    /// HTTPS with a chain (leaf first) and a key, both PEM.
    ///
    /// # Errors
    /// [`ListenError`] if the files cannot be read or used.
    pub fn https(cert_file: &Path, key_file: &Path) -> Result<Self, ListenError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| ListenError::Pem { path, source }
        };
        let chain = CertificateDer::pem_file_iter(cert_file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(unreadable(cert_file))?;
        let key = PrivateKeyDer::from_pem_file(key_file).map_err(unreadable(key_file))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ListenError::Tls)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(ListenError::Tls)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self::Tls(TlsAcceptor::from(Arc::new(config))))
    }
}

/// Serves `router` on `listener` until `shutdown`, then lets requests end for [`DRAIN`].
///
/// # Cancel safety
/// Dropping it ends every connection at once.
pub async fn serve(
    listener: TcpListener,
    scheme: Scheme,
    router: Router,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer, place)) => {
                let one = Connection {
                    peer,
                    router: router.clone(),
                    shutdown: shutdown.clone(),
                };
                let scheme = scheme.clone();
                connections.spawn(async move {
                    one.run(stream, scheme).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "The web listener could not accept a connection.");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::info!("Requests of browsers were cut off at shutdown.");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}

struct Connection {
    peer: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
}

impl Connection {
    async fn run(self, stream: TcpStream, scheme: Scheme) {
        match scheme {
            Scheme::Plain => self.http(stream).await,
            Scheme::Tls(acceptor) => {
                match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => self.http(stream).await,
                    Ok(Err(error)) => {
                        tracing::debug!(peer = %self.peer, %error, "A TLS handshake failed.");
                    }
                    Err(_) => tracing::debug!(peer = %self.peer, "A TLS handshake took too long."),
                }
            }
        }
    }

    async fn http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let service = TowerToHyperService::new(self.router);
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_buf_size(HEAD_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %self.peer, %error, "A browser's connection ended with an error.");
        }
    }
}

#[cfg(test)]
mod tests;
