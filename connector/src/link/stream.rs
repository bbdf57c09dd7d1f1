//! One stream of a link.

use std::sync::Arc;

use adit_proto::Reason;
use adit_proto::frame::Limit;
use adit_proto::target::Target;
use adit_proto::wire::link::StreamHeader;
use adit_proto::wire::link::stream_header::Kind;
use adit_transport::frame::FrameReader;
use adit_transport::stream::LinkStream;
use bytes::BytesMut;
use tokio::io::{AsyncWriteExt, copy, split};
use tokio::time::timeout;

use super::{HEADER, Link, Links, heads};
use crate::kube::{Errand, Purpose};
use crate::session::table::OpenStream;
use crate::session::{Session, Standing};
use crate::web::Visit;

/// Reads a stream's header and serves what it names. What is refused is reset with the reason's code.
pub(super) async fn serve(links: &Links, link: &Link, stream: LinkStream) {
    let mut reader = FrameReader::new(stream, Limit::STRANGER);
    let Ok(Ok(Some(header))) = timeout(HEADER, reader.read::<StreamHeader>()).await else {
        let refused = ("stream header", Reason::RequestMalformed);
        return links.refuse(link, "", refused, "no header came");
    };
    let (stream, read) = reader.into_parts();
    let served = match header.kind {
        Some(Kind::Heads(heads)) => heads::exchange(links, link, &heads, stream).await,
        Some(Kind::Ping(_)) => {
            ping(stream, read).await;
            Ok(())
        }
        Some(Kind::Kube(_)) => match open(links, link, &header.session_id) {
            Ok(open) => kube(links, open, (stream, read), Purpose::CarryOut).await,
            Err(reason) => abort(stream, reason),
        },
        Some(Kind::Explain(_)) => match open(links, link, &header.session_id) {
            Ok(open) => kube(links, open, (stream, read), Purpose::Explain).await,
            Err(reason) => abort(stream, reason),
        },
        Some(Kind::Tcp(_)) => match open(links, link, &header.session_id) {
            Ok(open) => tcp(links, open, stream, read).await,
            Err(reason) => abort(stream, reason),
        },
        Some(Kind::Http(_)) => match open(links, link, &header.session_id) {
            Ok(open) => http(links, open, stream, read).await,
            Err(reason) => abort(stream, reason),
        },
        None => abort(stream, Reason::VersionUnsupported),
    };
    if let Err(reason) = served {
        links.refuse(link, &header.session_id, ("stream", reason), "");
    }
}

/// Resets a stream with the code of the reason for which it is refused.
fn abort(mut stream: LinkStream, reason: Reason) -> Result<(), Reason> {
    stream.abort(reason.code());
    Err(reason)
}

fn open(links: &Links, link: &Link, session: &str) -> Result<OpenStream, Reason> {
    let id = session.parse().map_err(|_| Reason::RequestMalformed)?;
    links.sessions.open_stream(id, link.device)
}

async fn kube(
    links: &Links,
    open: OpenStream,
    (mut stream, read): (LinkStream, BytesMut),
    purpose: Purpose,
) -> Result<(), Reason> {
    let session = open.session().clone();
    let (Some(kube), Target::Cluster(_)) = (&links.kube, session.target()) else {
        stream.abort(Reason::UnknownOrForbidden.code());
        return Err(Reason::UnknownOrForbidden);
    };
    let end = stream.end();
    // select! drops the serving future, and its stream, before a handler runs: the code is set in the branch itself.
    let over = async {
        end.set_code(session.over().await.code());
        end.body_incomplete();
    };
    let errand = Errand {
        session: session.clone(),
        purpose,
    };
    tokio::select! {
        () = Arc::clone(kube).serve(stream, read, end.clone(), errand) => {}
        () = over => {}
    }
    Ok(())
}

async fn tcp(
    links: &Links,
    open: OpenStream,
    mut stream: LinkStream,
    read: BytesMut,
) -> Result<(), Reason> {
    let session = open.session().clone();
    let standing = standing(links, &session, &mut stream).await?;
    let end = stream.end();
    let dialled = match links.services.dial(&session, standing.permit()).await {
        Ok(dialled) => dialled,
        Err(error) => return abort(stream, error.reason()),
    };
    end.pass_through();
    let over = async { end.set_code(session.over().await.code()) };
    tokio::select! {
        () = dialled.carry(stream, read, &end) => {}
        () = over => {}
    }
    Ok(())
}

async fn http(
    links: &Links,
    open: OpenStream,
    mut stream: LinkStream,
    read: BytesMut,
) -> Result<(), Reason> {
    let session = open.session().clone();
    let standing = standing(links, &session, &mut stream).await?;
    let application = match links.services.application(standing.permit()) {
        Ok(application) => application,
        Err(error) => return abort(stream, error.reason()),
    };
    let visit = Visit {
        session: session.clone(),
        services: &links.services,
        application,
    };
    let end = stream.end();
    // As for the API server: the code is set before the stream is dropped.
    let over = async {
        end.set_code(session.over().await.code());
        end.body_incomplete();
    };
    tokio::select! {
        () = links.web.serve(stream, read, end.clone(), visit) => {}
        () = over => {}
    }
    Ok(())
}

/// What is decided about a session now; its stream is reset if that is a denial.
async fn standing(
    links: &Links,
    session: &Arc<Session>,
    stream: &mut LinkStream,
) -> Result<Arc<Standing>, Reason> {
    links.sessions.standing(session).await.map_err(|refusal| {
        stream.abort(refusal.shown().code());
        refusal.reason()
    })
}

/// Bytes come back as they are sent.
async fn ping(stream: LinkStream, read: BytesMut) {
    stream.end().pass_through();
    let (mut from, mut to) = split(stream);
    // The client ends it by going away.
    if to.write_all(&read).await.is_ok() && copy(&mut from, &mut to).await.is_ok() {
        let _ = to.shutdown().await;
    }
}
