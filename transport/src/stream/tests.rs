use std::time::Duration;

use quinn::{ReadError, ReadToEndError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::*;
use crate::testing::{Attempt, connected, linked};

const CODE: u32 = 7;

/// A stream under test, and the plain halves at its other end.
struct Ends {
    stream: LinkStream,
    send: SendStream,
    recv: RecvStream,
    _connection: Attempt,
}

async fn ends() -> Ends {
    let connection = connected().await;
    let (near, far) = (
        connection.client.as_ref().unwrap(),
        connection.server.as_ref().unwrap(),
    );
    let (mut send, recv) = near.open_bi().await.unwrap();
    send.write_all(b"part of a body").await.unwrap();
    let stream = LinkStream::new(send, recv, CODE);
    let (send, recv) = far.accept_bi().await.unwrap();
    Ends {
        stream,
        send,
        recv,
        _connection: connection,
    }
}

async fn received(recv: &mut RecvStream) -> Result<Vec<u8>, ReadError> {
    recv.read_to_end(1024).await.map_err(|error| match error {
        ReadToEndError::Read(error) => error,
        ReadToEndError::TooLong => panic!("more than was sent"),
    })
}

#[tokio::test]
async fn a_stream_that_is_dropped_in_the_middle_is_reset_with_its_code() {
    let Ends {
        stream,
        send,
        mut recv,
        _connection,
    } = ends().await;
    stream.end().set_code(9);
    drop(stream);
    assert_eq!(
        received(&mut recv).await,
        Err(ReadError::Reset(9u32.into()))
    );
    assert_eq!(send.stopped().await.unwrap(), Some(9u32.into()));
}

#[tokio::test]
async fn a_stream_whose_body_ended_in_order_is_finished() {
    let Ends {
        stream,
        mut recv,
        _connection,
        ..
    } = ends().await;
    stream.end().body_complete();
    drop(stream);
    assert_eq!(received(&mut recv).await.unwrap(), b"part of a body");
}

#[tokio::test]
async fn a_shutdown_before_the_body_ended_is_a_reset() {
    let Ends {
        mut stream,
        mut recv,
        _connection,
        ..
    } = ends().await;
    stream.shutdown().await.unwrap();
    assert_eq!(
        received(&mut recv).await,
        Err(ReadError::Reset(CODE.into()))
    );
}

#[tokio::test]
async fn after_an_upgrade_a_shutdown_is_a_half_close() {
    let Ends {
        mut stream,
        mut send,
        mut recv,
        _connection,
    } = ends().await;
    stream.end().pass_through();
    stream.shutdown().await.unwrap();
    assert_eq!(received(&mut recv).await.unwrap(), b"part of a body");
    send.write_all(b"an answer").await.unwrap();
    send.finish().unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"an answer");
}

#[tokio::test]
async fn after_an_upgrade_a_drop_without_shutdown_is_a_reset() {
    let Ends {
        stream,
        mut recv,
        _connection,
        ..
    } = ends().await;
    stream.end().pass_through();
    drop(stream);
    assert_eq!(
        received(&mut recv).await,
        Err(ReadError::Reset(CODE.into()))
    );
}

#[tokio::test]
async fn an_aborted_stream_stays_aborted() {
    let Ends {
        mut stream,
        mut recv,
        _connection,
        ..
    } = ends().await;
    stream.abort(11);
    stream.end().body_complete();
    drop(stream);
    assert_eq!(
        received(&mut recv).await,
        Err(ReadError::Reset(11u32.into()))
    );
}

#[tokio::test]
async fn a_stopped_stream_is_told_and_reads_fail_when_the_other_end_resets() {
    let Ends {
        mut stream,
        mut send,
        mut recv,
        _connection,
    } = ends().await;
    recv.stop(3u32.into()).unwrap();
    stream.stopped().await;
    send.reset(4u32.into()).unwrap();
    assert!(stream.read_u8().await.is_err());
}

#[tokio::test]
async fn readers_that_stop_do_not_hold_up_the_others_of_their_link() {
    const STOPPED: usize = 6;
    const WINDOW: usize = 8 << 20;
    let link = linked().await;
    let (near, far) = (link.client.as_ref().unwrap(), link.server.as_ref().unwrap());
    let mut unread = Vec::new();
    let mut answered = async |answer: &[u8]| {
        let mut asking = open(near, CODE).await.unwrap();
        asking.write_all(b"?").await.unwrap();
        let (mut send, recv) = far.accept_bi().await.unwrap();
        send.write_all(answer).await.unwrap();
        unread.push((send, recv));
        asking
    };
    let crowd = async {
        let mut stopped = Vec::new();
        for _ in 0..STOPPED {
            stopped.push(answered(&vec![0; WINDOW]).await);
        }
        let mut reader = answered(b"!").await;
        (reader.read_u8().await.unwrap(), stopped)
    };
    let (answer, _stopped) = timeout(Duration::from_mins(1), crowd).await.unwrap();
    assert_eq!(answer, b'!');
}
