//! Noticing that a connector is gone.
//!
//! Nothing tells us: its host does not answer for it, and the gateway waits a lease for its return. So a link is given
//! up when something was sent and nothing heard for a while, although the gateway is heard all the time. While the
//! gateway is not heard, or has just come back, silence says nothing: links outlive it.

use std::time::Duration;

use quinn::Connection;
use tokio::time::{Instant, sleep};

use crate::control::{Control, Line};

/// How often is looked.
const LOOK: Duration = Duration::from_millis(250);
/// How long the other end may be silent after something was sent. A connector that was cut off for 3 s is back by then,
/// and its streams go on. One that is gone is known to the gateway by then, which refuses the next session at once: an
/// error comes within 5 s.
const SILENCE: Duration = Duration::from_millis(3_800);
/// The gateway was heard this short a while ago: its keep-alive is answered each second.
const HEARD: Duration = Duration::from_millis(1_800);
/// How long after a registration silence says nothing: the connector may still be on its way back.
const RETURNING: Duration = Duration::from_secs(4);

/// Returns when the other end of `connection`, a link, is gone.
pub(super) async fn until_gone(connection: &Connection, control: &Control) {
    let (mut theirs, mut gateways) = (Pulse::default(), Pulse::default());
    let mut line_id = None;
    loop {
        sleep(LOOK).await;
        let now = Instant::now();
        let line = control.registered();
        let id = line.as_ref().map(|line| line.connection.stable_id());
        if id != line_id {
            (line_id, gateways) = (id, Pulse::default());
        }
        theirs.look(traffic(connection), now);
        let Some(line) = line else { continue };
        gateways.look(traffic(&line.connection), now);
        if is_gone(&theirs, &gateways, &line, now) {
            return;
        }
    }
}

fn is_gone(theirs: &Pulse, gateways: &Pulse, line: &Line, now: Instant) -> bool {
    let silent = theirs
        .unanswered
        .is_some_and(|since| now.duration_since(since) >= SILENCE);
    let heard = gateways
        .heard_at
        .is_some_and(|at| now.duration_since(at) <= HEARD);
    silent && heard && now.duration_since(line.since) >= RETURNING
}

/// Datagrams that were received and sent.
type Traffic = (u64, u64);

fn traffic(connection: &Connection) -> Traffic {
    let stats = connection.stats();
    (stats.udp_rx.datagrams, stats.udp_tx.datagrams)
}

/// What a connection's counters say about its other end.
#[derive(Debug, Default)]
struct Pulse {
    received: u64,
    /// What had been sent when something was received last.
    sent: u64,
    heard_at: Option<Instant>,
    /// Since when something that was sent stays without any answer.
    unanswered: Option<Instant>,
}

impl Pulse {
    fn look(&mut self, (received, sent): Traffic, now: Instant) {
        if received != self.received {
            *self = Self {
                received,
                sent,
                heard_at: Some(now),
                unanswered: None,
            };
        } else if sent > self.sent {
            self.unanswered.get_or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_what_was_sent_and_ends_with_what_is_heard() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let mut pulse = Pulse::default();
        pulse.look((1, 1), at(0));
        // Idle: nothing was sent, so silence says nothing.
        pulse.look((1, 1), at(60_000));
        assert_eq!(pulse.unanswered, None);
        pulse.look((1, 2), at(60_250));
        pulse.look((1, 4), at(62_000));
        assert_eq!(pulse.unanswered, Some(at(60_250)));
        pulse.look((2, 4), at(62_250));
        assert_eq!((pulse.unanswered, pulse.heard_at), (None, Some(at(62_250))));
    }
}
