//! What the relay counts. Nothing that a stranger sends is worth a log line.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, many: usize) {
        self.0
            .fetch_add(u64::try_from(many).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The relay's counters. Datagrams unless said otherwise.
#[derive(Debug, Default)]
pub(super) struct RelayCounters {
    pub(super) forwarded: Counter,
    pub(super) forwarded_bytes: Counter,
    pub(super) forwarded_batches: Counter,
    pub(super) unknown_source: Counter,
    pub(super) not_announced: Counter,
    pub(super) unroutable: Counter,
    pub(super) limited: Counter,
    pub(super) send_errors: Counter,
    pub(super) receive_errors: Counter,
    pub(super) binds_refused: Counter,
    pub(super) challenges: Counter,
    pub(super) moved: Counter,
}

/// A reading of the relay's counters. Datagrams unless said otherwise; each number only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayCounts {
    /// Forwarded from one party to another.
    pub forwarded: u64,
    /// The bytes of those, UDP payload only.
    pub forwarded_bytes: u64,
    /// The system calls that took.
    pub forwarded_batches: u64,
    /// Dropped: overlay class, from an address where no party is registered.
    pub unknown_source: u64,
    /// Dropped: from a party to a route that it has no announced pair with, or that does not exist.
    pub not_announced: u64,
    /// Dropped: too short, or a connection ID of another length than 16.
    pub unroutable: u64,
    /// Dropped: more than a source without a connection may send.
    pub limited: u64,
    /// Dropped: the system did not take them.
    pub send_errors: u64,
    /// Errors that the system reported in place of a datagram.
    pub receive_errors: u64,
    /// Messages about addresses that were not genuine, not new, or came when the broker was busy.
    pub binds_refused: u64,
    /// Challenges that were sent.
    pub challenges: u64,
    /// Routes that moved.
    pub moved: u64,
}

impl RelayCounters {
    pub(super) fn read(&self) -> RelayCounts {
        RelayCounts {
            forwarded: self.forwarded.read(),
            forwarded_bytes: self.forwarded_bytes.read(),
            forwarded_batches: self.forwarded_batches.read(),
            unknown_source: self.unknown_source.read(),
            not_announced: self.not_announced.read(),
            unroutable: self.unroutable.read(),
            limited: self.limited.read(),
            send_errors: self.send_errors.read(),
            receive_errors: self.receive_errors.read(),
            binds_refused: self.binds_refused.read(),
            challenges: self.challenges.read(),
            moved: self.moved.read(),
        }
    }
}
