//! The exchange of heads: each side learns whether a gateway holds statements back, or shows two histories.

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::frame::Limit;
use adit_proto::roster::Relation;
use adit_proto::statement::Head;
use adit_proto::wire::link::stream_header::Kind;
use adit_proto::wire::link::{Heads, HeadsAnswer, StreamHeader};
use adit_transport::frame::{FrameReader, FrameWriter};
use adit_transport::stream::LinkStream;
use tokio::time::timeout;

use super::{HEADER, Link, Links};

/// What an answer carries at most, in bytes of statements: a frame has room for its own fields beside it. A client that
/// lacks more asks again.
const STATEMENTS: usize = 900 << 10;
/// How long a link waits for statements that its client has and this connector lacks.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Serves the first stream of a link.
pub(super) async fn first(links: &Links, link: &Link, stream: LinkStream) -> Result<(), Reason> {
    let malformed = Reason::RequestMalformed;
    let mut reader = FrameReader::new(stream, Limit::STRANGER);
    let header = timeout(HEADER, reader.read::<StreamHeader>()).await;
    let Ok(Ok(Some(StreamHeader {
        kind: Some(Kind::Heads(heads)),
        ..
    }))) = header
    else {
        return Err(malformed);
    };
    let (stream, _) = reader.into_parts();
    exchange(links, link, &heads, stream).await
}

/// Answers with this connector's head and what the client lacks. A client that is ahead waits until the gateway has
/// sent what it held back, or is told that it does not.
pub(super) async fn exchange(
    links: &Links,
    link: &Link,
    heads: &Heads,
    stream: LinkStream,
) -> Result<(), Reason> {
    let known = links.book.known().map_err(|refusal| refusal.reason())?;
    let theirs = heads.head.clone().unwrap_or_default();
    let theirs = Head::try_from(&theirs).map_err(|_| Reason::RequestMalformed)?;
    let relation = known.roster().relation(&theirs);
    if matches!(relation, Relation::Fork | Relation::OtherLog) {
        let detail = format!(
            "the device shows another history at statement {}",
            theirs.number
        );
        links.refuse(link, "", ("roster head", Reason::RosterFork), &detail);
        return Err(Reason::RosterFork);
    }
    let statements = match relation {
        Relation::Behind => links.book.for_client(theirs.number, STATEMENTS),
        Relation::Same | Relation::Ahead | Relation::Fork | Relation::OtherLog => Vec::new(),
    };
    let answer = HeadsAnswer {
        head: Some(known.roster().head().to_wire()),
        statements,
    };
    stream.end().body_complete();
    let mut writer = FrameWriter::new(stream, Limit::PARTY);
    // Who does not read holds no link that waits.
    let Ok(Ok(())) = timeout(HEADER, writer.write(&answer)).await else {
        return Err(Reason::RequestMalformed);
    };
    drop(writer);
    if relation != Relation::Ahead {
        return Ok(());
    }
    links.book.want(theirs.number);
    let caught_up = timeout(CATCH_UP, links.book.reached(theirs.number))
        .await
        .is_ok();
    let known = links.book.known().map_err(|refusal| refusal.reason())?;
    if caught_up && known.roster().relation(&theirs) != Relation::Fork {
        return Ok(());
    }
    let reason = if caught_up {
        Reason::RosterFork
    } else {
        Reason::RosterStale
    };
    let detail = format!(
        "the device knows statement {}, which the gateway does not send",
        theirs.number
    );
    links.refuse(link, "", ("roster head", reason), &detail);
    Err(reason)
}
