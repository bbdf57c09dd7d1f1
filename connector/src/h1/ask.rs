//! One request on a connection of its own (RFC 9110, section 7.8, where it asks for an upgrade).
//!
//! It is never pooled. Only a 101 makes it a stream of raw bytes; after any other answer it is closed, so that nothing
//! which the client sent behind its request is ever read as another one.

use std::future::poll_fn;

use bytes::BytesMut;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};

use super::answer_body::AnswerBody;

/// What a request was answered with.
pub(crate) enum Asked<I, B>
where
    I: Read + Write,
    B: Body + 'static,
{
    /// With a change of protocol, whose headers these are. On the connection are raw bytes from now on; some were read.
    Switched(HeaderMap, I, BytesMut),
    /// With anything else.
    Answered(Response<AnswerBody<I, B>>),
}

/// Sends `request` on the connection `io` and waits for the head of its answer.
///
/// # Errors
/// The connection broke, or what came is no answer.
///
/// # Cancel safety
/// Dropping it, or what came out, closes the connection.
pub(crate) async fn ask<I, B>(io: I, request: Request<B>) -> Result<Asked<I, B>, hyper::Error>
where
    I: Read + Write + Unpin,
    B: Body + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut sender, mut connection) = http1::handshake(io).await?;
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let mut over = false;
    let response = tokio::select! {
        answered = &mut answer => answered,
        ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => {
            ended?;
            over = true;
            answer.await
        }
    }?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let own = |incoming| AnswerBody::own(incoming, connection);
        return Ok(Asked::Answered(response.map(own)));
    }
    if !over {
        poll_fn(|cx| connection.poll_without_shutdown(cx)).await?;
    }
    let parts = connection.into_parts();
    let read = BytesMut::from(parts.read_buf);
    Ok(Asked::Switched(
        response.into_parts().0.headers,
        parts.io,
        read,
    ))
}
