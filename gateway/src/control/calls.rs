//! Calls of the API: each further stream of a device is one HTTP/1.1 request.

use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use axum::Extension;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use quinn::{RecvStream, SendStream};
use tokio::task::JoinSet;

use super::Control;
use super::receive::note_refusal;
use crate::caller::{Caller, Identity};
use crate::registry::Live;

/// How long a request may take to state itself.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Longest head of a request, in bytes.
const HEAD_MAX: usize = 16 << 10;

impl Control {
    /// Serves a device's calls. Dropped with the connection, and the calls with it.
    pub(super) async fn calls(&self, live: &Arc<Live>) -> Reason {
        let mut calls = JoinSet::new();
        loop {
            tokio::select! {
                stream = live.connection().accept_bi() => match stream {
                    Ok((send, recv)) => {
                        let Some(caller) = caller(live) else {
                            // A connector has one stream.
                            let reason = Reason::RequestMalformed;
                            note_refusal(self, live, "a call of the API", reason).await;
                            return reason;
                        };
                        calls.spawn(serve(self.api.clone(), caller, send, recv));
                    }
                    Err(_) => return Reason::GatewayUnreachable,
                },
                Some(_) = calls.join_next() => {}
            }
        }
    }
}

pub(crate) fn caller(live: &Live) -> Option<Caller> {
    let Identity::Device { id, owner } = live.party().identity() else {
        return None;
    };
    Some(Caller {
        device: *id,
        user: *owner,
        key: live.party().key().clone(),
        instance: *live.instance(),
        route: live.route(),
        source: live.source(),
        live: live.id(),
    })
}

/// Answers one request. JSON has a length, so an answer that is cut off is seen as such by the other end.
async fn serve(api: axum::Router, caller: Caller, send: SendStream, recv: RecvStream) {
    let service = TowerToHyperService::new(api.layer(Extension(caller)));
    let stream = TokioIo::new(tokio::io::join(recv, send));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_MAX)
        .keep_alive(false)
        .serve_connection(stream, service)
        .await;
    if let Err(error) = served {
        let error = &error as &dyn std::error::Error;
        tracing::debug!(error, "a call of the API was not completed");
    }
}
