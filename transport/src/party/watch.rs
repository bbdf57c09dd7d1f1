//! Watching for silence: when to ask the relay whether it still knows where we are.
//!
//! Two things can have happened behind our back: our address changed (`bind` cures it), or the gateway was restarted (it
//! has no key for `bind`, but answers a byte on the control stream with a reset). Both are tried in an *episode* of
//! silence, until the relay challenges; then rarely, in case the answer was lost.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quinn::Connection;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::way::{Pulse, Way};

/// How often is looked while links are lively. Finer than the first deadlines below.
const LOOK: Duration = Duration::from_millis(25);
/// Something was sent and nothing heard for this long: one probe time-out of QUIC on a short path.
const PROBE: Duration = Duration::from_millis(100);
/// A link that was heard lately is silent for this long: a reader sends nothing while data is missing.
const SILENT: Duration = Duration::from_millis(150);
/// What was heard longer ago than this was not lately.
const LATELY: Duration = Duration::from_secs(15);
/// How often the control stream is nudged.
const NUDGE: Duration = Duration::from_millis(250);
/// The longest interval between two `bind`s that nobody challenged.
const BIND: Duration = Duration::from_secs(1);

/// What the watcher needs of a registration.
#[derive(Debug, Default)]
pub(super) struct Watched(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    control: Option<(Connection, mpsc::Sender<()>)>,
    address_changed: bool,
}

impl Watched {
    pub(super) fn set_control(&self, control: Connection, nudge: mpsc::Sender<()>) {
        self.0.lock().control = Some((control, nudge));
    }

    pub(super) fn address_changed(&self) {
        self.0.lock().address_changed = true;
    }

    fn take_address_changed(&self) -> bool {
        std::mem::take(&mut self.0.lock().address_changed)
    }

    /// The control connection's round trip: links have at least that.
    fn round_trip(&self) -> Duration {
        self.0
            .lock()
            .control
            .as_ref()
            .map_or(Duration::ZERO, |(control, _)| control.rtt())
    }

    fn nudge(&self) {
        if let Some((_, nudge)) = &self.0.lock().control {
            // Full: the last one was not served yet. Closed: the control connection is being dialled.
            let _ = nudge.try_send(());
        }
    }
}

/// Watches a way for as long as its party lives.
pub(super) async fn watch(way: Arc<Way>, watched: Arc<Watched>) {
    let mut episode: Option<Episode> = None;
    loop {
        let now = Instant::now();
        if watched.take_address_changed() {
            episode = Some(Episode::begin(now));
        }
        let challenged = way.pulse().take_challenged();
        let asking = episode.is_some_and(|episode| !episode.challenged);
        match hearing(way.pulse(), now, watched.round_trip()) {
            Hearing::Silent => {
                let episode = episode.get_or_insert_with(|| Episode::begin(now));
                episode.challenged |= challenged;
                let due = episode.due(now);
                if due.bind {
                    way.send_bind();
                }
                if due.nudge {
                    watched.nudge();
                }
            }
            // A change of address is told until it is challenged, whether links are lively or not.
            Hearing::Fine | Hearing::Nothing if asking && !challenged && changed(episode, now) => {
                if episode
                    .as_mut()
                    .is_some_and(|episode| episode.due(now).bind)
                {
                    way.send_bind();
                }
            }
            Hearing::Fine => episode = None,
            Hearing::Nothing => {
                episode = None;
                way.pulse().stirs().await;
            }
        }
        sleep(LOOK).await;
    }
}

/// Whether an episode began with a change of address a short while ago.
fn changed(episode: Option<Episode>, now: Instant) -> bool {
    episode.is_some_and(|episode| now.duration_since(episode.begun) < LATELY)
}

/// What the pulse of a way says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hearing {
    /// Links are heard.
    Fine,
    /// Links should be heard and are not.
    Silent,
    /// Nothing was sent or heard lately.
    Nothing,
}

fn hearing(pulse: &Pulse, now: Instant, round_trip: Duration) -> Hearing {
    let (sent, heard) = (pulse.sent_ago(now), pulse.heard_ago(now));
    let probe = PROBE.max(round_trip * 3);
    let silent = SILENT.max(round_trip * 3);
    match (sent, heard) {
        (Some(sent), heard)
            if sent < LATELY && heard.is_none_or(|heard| heard > sent && heard > probe) =>
        {
            if heard.is_none() && sent < probe {
                Hearing::Fine
            } else {
                Hearing::Silent
            }
        }
        (_, Some(heard)) if heard < silent => Hearing::Fine,
        (_, Some(heard)) if heard < LATELY => Hearing::Silent,
        _ => Hearing::Nothing,
    }
}

/// One silence, from when it was noticed.
#[derive(Debug, Clone, Copy)]
struct Episode {
    begun: Instant,
    next_bind: Instant,
    next_nudge: Instant,
    interval: Duration,
    challenged: bool,
}

/// What is due now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    bind: bool,
    nudge: bool,
}

impl Episode {
    const fn begin(now: Instant) -> Self {
        Self {
            begun: now,
            next_bind: now,
            next_nudge: now,
            interval: PROBE,
            challenged: false,
        }
    }

    fn due(&mut self, now: Instant) -> Due {
        let due = Due {
            bind: now >= self.next_bind,
            nudge: !self.challenged && now >= self.next_nudge,
        };
        if due.bind {
            self.interval = if self.challenged {
                self.interval.max(BIND / 2) * 2
            } else {
                (self.interval * 2).min(BIND)
            };
            self.next_bind = now + self.interval;
        }
        if due.nudge {
            self.next_nudge = now + NUDGE;
        }
        due
    }
}
