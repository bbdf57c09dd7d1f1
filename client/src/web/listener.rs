//! The loopback listener of web applications: plain HTTP/1.1, since a browser trusts `*.localhost` as it does TLS.

use std::path::Path;
use std::sync::Arc;

use adit_proto::Reason;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use super::cookie;
use super::gate::{Gate, Passed};
use crate::carry::{Body, Carrier, local};
use crate::clock;
use crate::exit::Failure;
use crate::loopback::{Bound, Closing, Guest, IDLE, Place, drive, page};

/// Where the profile in `directory` listens. Browsers look for `*.localhost` at both addresses of this machine, and what
/// another user served at the second would be the application's page.
#[must_use]
pub fn place(directory: &Path) -> Place {
    Place {
        file: directory.join("applications.port"),
        both_families: true,
        of: "web applications",
        moved_by: "adit open --move-port NAME",
    }
}

/// What the listener serves with.
#[derive(Debug)]
pub struct Service {
    /// Who may pass.
    pub gate: Arc<Gate>,
    /// What carries the requests.
    pub carrier: Carrier,
}

/// Serves until it is closed; `tasks` owns the connections.
///
/// # Cancel safety
/// Dropping it closes the port; connections end as `closing` says.
pub async fn serve(bound: Bound, service: Arc<Service>, tasks: TaskTracker, closing: Closing) {
    let connected = |stream, guest| connection(stream, service.clone(), guest);
    bound.serve(connected, tasks, closing).await;
}

async fn connection(stream: TcpStream, service: Arc<Service>, guest: Guest) {
    let gently = guest.gently.clone();
    let guest = Arc::new(guest);
    let answer = service_fn(move |request| {
        let (service, guest) = (service.clone(), guest.clone());
        async move { Ok::<_, std::convert::Infallible>(service.answer(&guest, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), answer);
    if let Err(error) = drive(connection, gently).await {
        tracing::debug!(error = &*error, "A browser's connection ended early.");
    }
}

impl Service {
    async fn answer(&self, guest: &Guest, request: Request<Incoming>) -> Response<Body> {
        let checked = self.gate.check(
            request.method(),
            request.uri(),
            request.headers(),
            clock::now(),
        );
        if checked.is_ok() {
            guest.keep_place();
        }
        let visit = match checked {
            Ok(Passed::Visit(visit)) => visit,
            Ok(Passed::Entered(response)) => return local(response),
            Err(turned) => return local(page(StatusCode::FORBIDDEN, &turned.to_string())),
        };
        match self.carrier.carry(&visit, request).await {
            Ok(mut response) => {
                cookie::keep_out(response.headers_mut());
                response
            }
            Err(failure) => local(page(status(&failure), &failure.to_string())),
        }
    }
}

fn status(failure: &Failure) -> StatusCode {
    let status = failure.reason().map(Reason::http_status);
    status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or(StatusCode::BAD_GATEWAY)
}

#[cfg(test)]
mod tests;
