//! A stream as an HTTP/1.1 connection with one request.

use std::time::Duration;

use bytes::BytesMut;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::ending::Ending;
use super::request_line::{self, RequestLineError};
use super::rewound::Rewound;

/// How long the header of a request may take, after its stream was opened.
const HEADER: Duration = Duration::from_secs(10);
/// The longest header block, in bytes: the request line at its limit and what a browser or client-go sends beside it.
const HEADER_MAX: usize = 256 << 10;

/// Why a stream was no request, or did not end in order.
#[derive(Debug)]
pub(crate) enum Broken<I> {
    /// The line was not in time, or the stream ended before it did: nobody waits for an answer.
    Silent,
    /// A line that hyper would read otherwise than it was sent; nothing was answered yet.
    Line(I, RequestLineError),
    /// hyper could not read the rest, and has answered with 400 if that was the head.
    Stream(hyper::Error),
}

/// Serves the one request of a stream with `exchange`, which is given the target as it was sent. `read` is what was read
/// of the stream already.
///
/// # Cancel safety
/// Dropping it cuts the answer off.
pub(crate) async fn serve<I, E, F, R, B>(
    mut io: I,
    mut read: BytesMut,
    ending: &E,
    exchange: F,
) -> Result<(), Broken<I>>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: Ending,
    F: Fn(String, Request<Incoming>) -> R,
    R: Future<Output = Response<B>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Until an answer begins there is nothing that could look whole: hyper's own 400 goes out in order.
    ending.complete();
    let target = match timeout(HEADER, request_line::read(&mut io, &mut read)).await {
        Ok(Ok(target)) => target,
        Err(_) | Ok(Err(RequestLineError::Stream(_))) => return Err(Broken::Silent),
        Ok(Err(error)) => return Err(Broken::Line(io, error)),
    };
    let service = service_fn(|request| {
        ending.incomplete();
        let answer = exchange(target.clone(), request);
        async move { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(HEADER_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(Rewound::new(read, io)), service)
        .with_upgrades()
        .await
        .map_err(Broken::Stream)
}

/// Answers a stream that hyper does not read with 400 and a document.
pub(crate) async fn refuse(io: &mut (impl AsyncWrite + Unpin), content_type: &str, document: &str) {
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{document}",
        document.len(),
    );
    // The client may be gone already, and then needs no answer.
    let _ = io.write_all(answer.as_bytes()).await;
    let _ = io.shutdown().await;
}
