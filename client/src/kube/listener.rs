//! The loopback TLS listener.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use ring::rand::SecureRandom;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::carry::{Body, Carrier, local};
use super::gate::Gate;
use super::{holder, status};
use crate::clock;
use crate::private_file::{self, PrivateFileError};

/// How long a TLS handshake may take. It comes from this machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may be without a request. Longer than client-go's own limit (90 s), so that it closes first and
/// no request is on its way meanwhile.
const IDLE: Duration = Duration::from_mins(2);
/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 1024;
/// Requests at once on one HTTP/2 connection: what a link carries (each watch holds one).
const STREAMS: u32 = 1024;
/// Where a port is chosen from: above the registered ones that are common, below what kernels hand out themselves
/// (Linux: from 32768), so that an outgoing connection never sits on it.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How many ports are tried.
const ATTEMPTS: usize = 64;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The remembered port is taken.
    #[error(
        "port {port} of the local endpoint is taken by {holder}: end it, or move with `adit kube --move-port`"
    )]
    Taken {
        /// The port.
        port: u16,
        /// Who has it.
        holder: String,
    },
    /// No port could be opened.
    #[error("no port on 127.0.0.1 can be opened")]
    Socket(#[source] io::Error),
    /// The file that remembers the port cannot be used.
    #[error("the local endpoint's port cannot be remembered")]
    File(#[from] PrivateFileError),
}

/// Opens the port that the profile in `directory` remembers, and chooses one if there is none.
///
/// # Errors
/// [`ListenError`].
pub async fn bind(
    directory: &Path,
    rng: &(dyn SecureRandom + Sync),
) -> Result<TcpListener, ListenError> {
    let remembered = private_file::read(&port_file(directory))?
        .and_then(|bytes| std::str::from_utf8(&bytes).ok()?.trim().parse().ok());
    let Some(port) = remembered else {
        return choose(directory, rng).await;
    };
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| {
            if error.kind() != io::ErrorKind::AddrInUse {
                return ListenError::Socket(error);
            }
            let holder = holder::of_port(port).unwrap_or_else(|| "another process".to_owned());
            ListenError::Taken { port, holder }
        })
}

/// Chooses a new port and remembers it.
///
/// # Errors
/// [`ListenError`].
pub async fn choose(
    directory: &Path,
    rng: &(dyn SecureRandom + Sync),
) -> Result<TcpListener, ListenError> {
    let mut last = io::Error::other("the system gives no randomness");
    for _ in 0..ATTEMPTS {
        let mut random = [0; 2];
        if rng.fill(&mut random).is_err() {
            break;
        }
        let span = PORTS.end - PORTS.start;
        let port = PORTS.start + u16::from_be_bytes(random) % span;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => {
                private_file::replace(&port_file(directory), port.to_string().as_bytes())?;
                return Ok(listener);
            }
            Err(error) => last = error,
        }
    }
    Err(ListenError::Socket(last))
}

fn port_file(directory: &Path) -> std::path::PathBuf {
    directory.join("listener.port")
}

/// What the listener serves with.
#[derive(Debug)]
pub struct Service {
    /// Who may pass.
    pub gate: Gate,
    /// What carries the requests.
    pub carrier: Carrier,
}

/// Serves until `stop` is cancelled; `tasks` owns the connections.
///
/// # Cancel safety
/// Dropping it closes the listener; connections end with `stop`.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    service: Arc<Service>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let acceptor = TlsAcceptor::from(tls);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let next = async {
            let permit = room.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors: wait until something is closed instead of spinning.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (acceptor, service, stop) = (acceptor.clone(), service.clone(), stop.clone());
        tasks.spawn(async move {
            let _permit = permit;
            tokio::select! {
                () = connection(stream, acceptor, service) => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, service: Arc<Service>) {
    // Without it each small answer waits for the acknowledgement of the one before.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Ok(Ok(stream)) = timeout(PATIENCE, acceptor.accept(stream)).await else {
        return;
    };
    let answer = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, std::convert::Infallible>(service.answer(request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .enable_connect_protocol();
    if let Err(error) = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), answer)
        .await
    {
        tracing::debug!(error = &*error, "A local connection ended early.");
    }
}

impl Service {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        match self
            .gate
            .check(request.uri(), request.headers(), clock::now())
        {
            Ok(passed) => self.carrier.carry(&passed, request).await,
            Err(turned) => local(status::answer_as(turned.status, &turned.failure)),
        }
    }
}

#[cfg(test)]
mod tests;
