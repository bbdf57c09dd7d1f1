//! The queue between the overlay endpoint, which reads, and the control endpoint.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;
use quinn::udp::{EcnCodepoint, RecvMeta};

/// How many datagrams wait at most. More are dropped, which QUIC takes for loss: the control connection of a party
/// carries frames of at most 1 MiB now and then, and its endpoint is woken for each datagram.
const CAPACITY: usize = 256;

/// One control datagram.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) bytes: Bytes,
    pub(super) meta: RecvMeta,
}

/// Control datagrams on their way to the control endpoint.
#[derive(Debug, Default)]
pub(super) struct ControlQueue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    datagrams: VecDeque<Datagram>,
    reader: Option<Waker>,
}

/// The queue is full; the datagram was dropped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl ControlQueue {
    pub(super) fn push(
        &self,
        bytes: &[u8],
        ecn: Option<EcnCodepoint>,
        from: &RecvMeta,
    ) -> Result<(), Full> {
        let mut waiting = self.0.lock();
        if waiting.datagrams.len() >= CAPACITY {
            return Err(Full);
        }
        let meta = RecvMeta {
            len: bytes.len(),
            stride: bytes.len(),
            ecn,
            ..*from
        };
        waiting.datagrams.push_back(Datagram {
            bytes: Bytes::copy_from_slice(bytes),
            meta,
        });
        let reader = waiting.reader.take();
        drop(waiting);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    /// Moves datagrams into the endpoint's buffers, one each.
    pub(super) fn poll_drain(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<usize> {
        let mut waiting = self.0.lock();
        let mut drained = 0;
        for (buf, meta) in bufs.iter_mut().zip(meta) {
            let Some(datagram) = waiting.datagrams.pop_front() else {
                break;
            };
            let Some(room) = buf.get_mut(..datagram.bytes.len()) else {
                continue;
            };
            room.copy_from_slice(&datagram.bytes);
            *meta = datagram.meta;
            drained += 1;
        }
        if drained == 0 {
            waiting.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(drained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_and_a_drained_one_takes_again() {
        let queue = ControlQueue::default();
        let from = RecvMeta::default();
        for _ in 0..CAPACITY {
            queue.push(b"datagram", None, &from).unwrap();
        }
        assert_eq!(queue.push(b"one too many", None, &from), Err(Full));
        let mut space = [0; 64];
        let mut bufs = [IoSliceMut::new(&mut space)];
        let mut meta = [RecvMeta::default()];
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(
            queue.poll_drain(&mut cx, &mut bufs, &mut meta),
            Poll::Ready(1)
        );
        assert_eq!(
            (&bufs[0][..8], meta[0].len, meta[0].stride),
            (&b"datagram"[..], 8, 8)
        );
        assert!(queue.push(b"room again", None, &from).is_ok());
    }
}
