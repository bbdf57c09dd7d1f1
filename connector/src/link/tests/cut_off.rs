//! Streams that do not end by themselves: the client learns why, and the audit log says whose doing it was.

use std::time::Duration;

use adit_proto::wire::audit::StreamOutcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;

/// Far more than any of this takes.
const BOUND: Duration = Duration::from_secs(10);

/// A stream that carries bytes both ways.
struct Flowing {
    send: SendStream,
    recv: RecvStream,
    service: TcpStream,
    _link: Connection,
}

impl Flowing {
    async fn through(rig: &Rig, session: &str) -> Self {
        let link = rig.annas_link().await;
        let (mut send, mut recv) = open(&link, session, Kind::Tcp(Tcp {})).await;
        send.write_all(b"a").await.unwrap();
        let (mut service, _) = rig.service.accept().await.unwrap();
        assert_eq!(service.read_u8().await.unwrap(), b'a');
        service.write_all(b"b").await.unwrap();
        recv.read_exact(&mut [0]).await.unwrap();
        Self {
            send,
            recv,
            service,
            _link: link,
        }
    }
}

/// The outcome of the only stream, once it is there, and how many refusals there were before it.
async fn outcome(rig: &Rig) -> (StreamOutcome, usize) {
    let found = async {
        loop {
            let events = events(rig);
            let refused = |event: &&Event| matches!(event, Event::Refusal(_));
            let refused = events.iter().filter(refused).count();
            if let Some(Event::StreamOutcome(outcome)) = events.into_iter().find(is_outcome) {
                return (outcome, refused);
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, found).await.unwrap()
}

fn is_outcome(event: &Event) -> bool {
    matches!(event, Event::StreamOutcome(_))
}

fn events(rig: &Rig) -> Vec<Event> {
    rig.world.audit.flush().unwrap();
    let batch = rig.world.audit.cursor().read().unwrap();
    let event = |bytes: &Vec<u8>| Record::decode(bytes.as_slice()).unwrap().event.unwrap();
    batch.upload.records.iter().map(event).collect()
}

#[tokio::test]
async fn a_client_that_leaves_is_neither_refused_nor_is_the_service_offline() {
    let rig = Rig::new().await;
    let session = rig.session(&rig.world.anna).await;
    let mut flowing = Flowing::through(&rig, &session.id().to_string()).await;
    flowing.send.reset(0_u32.into()).unwrap();
    flowing.recv.stop(0_u32.into()).unwrap();
    let (outcome, refusals) = outcome(&rig).await;
    assert_eq!((outcome.reason.as_str(), refusals), ("", 0));
}

#[tokio::test]
async fn a_service_that_breaks_is_offline_for_client_and_audit_and_nothing_was_refused() {
    let rig = Rig::new().await;
    let session = rig.session(&rig.world.anna).await;
    let mut flowing = Flowing::through(&rig, &session.id().to_string()).await;
    // With bytes unread, closing sends a reset.
    flowing.send.write_all(b"unread").await.unwrap();
    flowing.service.peek(&mut [0]).await.unwrap();
    drop(flowing.service);
    assert_eq!(reset(&mut flowing.recv).await, Reason::TargetOffline);
    let (outcome, refusals) = outcome(&rig).await;
    assert_eq!((outcome.reason.as_str(), refusals), ("target_offline", 0));
}

#[tokio::test]
async fn a_stream_that_its_sessions_end_cuts_off_says_so_to_client_and_audit() {
    let rig = Rig::new().await;
    let session = rig.session(&rig.world.anna).await;
    let mut flowing = Flowing::through(&rig, &session.id().to_string()).await;
    rig.world.table.end(session.id(), Reason::SessionRevoked);
    assert_eq!(reset(&mut flowing.recv).await, Reason::SessionRevoked);
    let (outcome, refusals) = outcome(&rig).await;
    assert_eq!((outcome.reason.as_str(), refusals), ("session_revoked", 0));
    assert_eq!((outcome.received_bytes, outcome.sent_bytes), (1, 1));
}
