//! The loopback TLS listener.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::gate::Gate;
use super::status;
use crate::carry::{Body, Carrier, local};
use crate::clock;
use crate::explain::Explanations;
use crate::loopback::{Bound, Closing, Guest, IDLE, Place, drive};

/// How long a TLS handshake may take. It comes from this machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests at once on one HTTP/2 connection: what a link carries (each watch holds one).
const STREAMS: u32 = 1024;

/// Where the profile in `directory` listens.
#[must_use]
pub fn place(directory: &Path) -> Place {
    Place {
        file: directory.join("listener.port"),
        both_families: false,
        of: "the local endpoint",
        moved_by: "adit kube --move-port",
    }
}

/// What the listener serves with.
#[derive(Debug)]
pub struct Service {
    /// Who may pass.
    pub gate: Gate,
    /// What carries the requests.
    pub carrier: Carrier,
    /// The explanations that are running.
    pub explanations: Arc<Explanations>,
}

/// Serves until it is closed; `tasks` owns the connections.
///
/// # Cancel safety
/// Dropping it closes the listener; connections end as `closing` says.
pub async fn serve(
    bound: Bound,
    tls: Arc<ServerConfig>,
    service: Arc<Service>,
    tasks: TaskTracker,
    closing: Closing,
) {
    let acceptor = TlsAcceptor::from(tls);
    let connected = |stream, guest| connection(stream, acceptor.clone(), service.clone(), guest);
    bound.serve(connected, tasks, closing).await;
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, service: Arc<Service>, guest: Guest) {
    let Ok(Ok(stream)) = timeout(PATIENCE, acceptor.accept(stream)).await else {
        return;
    };
    let gently = guest.gently.clone();
    let guest = Arc::new(guest);
    let answer = service_fn(move |request| {
        let (service, guest) = (service.clone(), guest.clone());
        async move { Ok::<_, std::convert::Infallible>(service.answer(&guest, request).await) }
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
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), answer);
    if let Err(error) = drive(connection, gently).await {
        tracing::debug!(error = &*error, "A local connection ended early.");
    }
}

impl Service {
    async fn answer(&self, guest: &Guest, request: Request<Incoming>) -> Response<Body> {
        match self
            .gate
            .check(request.uri(), request.headers(), clock::now())
        {
            Ok(passed) => {
                guest.keep_place();
                let carried = match passed.entitled.explanation() {
                    None => self.carrier.carry(&passed, request).await,
                    Some(id) => self.explain(id, &passed, request).await,
                };
                carried.unwrap_or_else(|failure| local(status::answer(&failure)))
            }
            Err(turned) => local(status::answer_as(turned.status, &turned.failure)),
        }
    }
}

#[cfg(test)]
mod tests;
