use std::task::Waker;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter, duplex};

use super::*;

/// More than is read at once, and no multiple of it.
const MANY: usize = 3 * BUFFER + 7;

fn bytes(first: u8) -> Vec<u8> {
    let cycle = (0..=u8::MAX).cycle().skip(first.into());
    cycle.take(MANY).collect()
}

#[tokio::test]
async fn bytes_cross_both_ways_and_each_end_is_passed_on_by_itself() {
    for room in [1, 3, 4096, 2 * MANY] {
        let (near, mut inner) = duplex(room);
        let (far, mut behind) = duplex(room);
        let end = |stream: tokio::io::DuplexStream, first: u8| async move {
            let (mut read, mut write) = tokio::io::split(stream);
            let sent = async {
                write.write_all(&bytes(first)).await.unwrap();
                write.shutdown().await.unwrap();
            };
            let mut came = Vec::new();
            let received = async { read.read_to_end(&mut came).await.unwrap() };
            tokio::join!(sent, received);
            came
        };
        let carried = both(&mut inner, &mut behind);
        let (at_near, at_far, carried) = tokio::join!(end(near, 1), end(far, 2), carried);
        assert!(at_near == bytes(2) && at_far == bytes(1), "{room}");
        carried.unwrap();
    }
}

#[tokio::test]
async fn one_direction_goes_on_when_the_other_has_ended() {
    let (mut near, mut inner) = duplex(64);
    let (mut far, mut behind) = duplex(64);
    let ends = async {
        near.shutdown().await.unwrap();
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
        far.write_all(b"still").await.unwrap();
        let mut came = [0; 5];
        near.read_exact(&mut came).await.unwrap();
        assert_eq!(&came, b"still");
        drop(far);
    };
    let ((), carried) = tokio::join!(ends, both(&mut inner, &mut behind));
    carried.unwrap();
}

#[tokio::test]
async fn what_is_behind_a_buffer_is_flushed_when_nothing_more_comes() {
    let (mut near, mut inner) = duplex(64);
    let (mut far, behind) = duplex(64);
    let mut behind = BufWriter::new(behind);
    let ends = async {
        near.write_all(b"now").await.unwrap();
        let mut came = [0; 3];
        far.read_exact(&mut came).await.unwrap();
        assert_eq!(&came, b"now");
        near.shutdown().await.unwrap();
        far.shutdown().await.unwrap();
    };
    let ((), carried) = tokio::join!(ends, both(&mut inner, &mut behind));
    carried.unwrap();
}

#[tokio::test]
async fn a_side_that_breaks_ends_both() {
    let (mut near, mut inner) = duplex(64);
    let (far, mut behind) = duplex(64);
    drop(far);
    near.write_all(b"lost").await.unwrap();
    let broken = both(&mut inner, &mut behind).await.unwrap_err();
    assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_reader_that_stops_costs_one_read_and_who_waits_costs_nothing() {
    let cx = &mut Context::from_waker(Waker::noop());
    let (mut to, mut reader) = duplex(8);
    let mut from = &bytes(0)[..];
    let mut direction = Direction::default();
    assert!(direction.poll(cx, &mut from, &mut to).is_pending());
    assert_eq!(direction.kept.len(), BUFFER - 8);
    assert!(direction.poll(cx, &mut from, &mut to).is_pending());
    assert_eq!(from.len(), MANY - BUFFER);

    let mut came = 0;
    while direction.poll(cx, &mut from, &mut to).is_pending() {
        let mut buffer = [0; 8];
        let mut room = ReadBuf::new(&mut buffer);
        assert!(Pin::new(&mut reader).poll_read(cx, &mut room).is_ready());
        came += room.filled().len();
    }
    let mut rest = [0; 8];
    let mut room = ReadBuf::new(&mut rest);
    assert!(Pin::new(&mut reader).poll_read(cx, &mut room).is_ready());
    came += room.filled().len();
    assert_eq!((came, direction.kept.capacity()), (MANY, 0));
}

/// Whoever reads of it has something else carried first.
struct Nested;

impl AsyncRead for Nested {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (mut from, mut to) = (&b"inner"[..], Vec::new());
        ready!(Direction::default().poll(cx, &mut from, &mut to))?;
        assert_eq!(to, b"inner");
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_stream_that_carries_another_while_it_is_read_finds_a_buffer() {
    let cx = &mut Context::from_waker(Waker::noop());
    let mut to = Vec::new();
    let carried = Direction::default().poll(cx, &mut Nested, &mut to);
    assert!(matches!(carried, Poll::Ready(Ok(()))) && to.is_empty());
}
