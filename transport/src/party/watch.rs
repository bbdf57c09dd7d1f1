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

/// How often is looked while links are lively, or while the relay has not challenged. Finer than the deadlines below.
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
    asked: bool,
}

impl Watched {
    pub(super) fn set_control(&self, control: Connection, nudge: mpsc::Sender<()>) {
        self.0.lock().control = Some((control, nudge));
    }

    /// Has the relay told where the way is until it challenges.
    pub(super) fn ask(&self) {
        self.0.lock().asked = true;
    }

    fn take_asked(&self) -> bool {
        std::mem::take(&mut self.0.lock().asked)
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
        let hearing = hearing(way.pulse(), now, watched.round_trip());
        let silent = hearing == Hearing::Silent;
        let over = episode.is_none_or(|episode| episode.is_over(way.pulse(), now));
        if watched.take_asked() || silent && over {
            // A challenge of an earlier episode says nothing about this one.
            way.pulse().take_challenged();
            episode = Some(Episode::begin(now));
        }
        if let Some(current) = &mut episode {
            if way.pulse().take_challenged() {
                current.challenged = Some(now);
            }
            // What the caller asked for goes on until it is challenged, whether links are lively or not.
            if (current.challenged.is_some() && !silent) || current.is_old(now) {
                episode = None;
            }
        }
        if let Some(current) = &mut episode {
            let due = current.due(now);
            if due.bind {
                way.send_bind();
            }
            if due.nudge {
                watched.nudge();
            }
        }
        match (hearing, episode) {
            (
                Hearing::Silent,
                Some(Episode {
                    challenged: Some(_),
                    next_bind,
                    ..
                }),
            ) => {
                // All that is left is to repeat it, in case the answer was lost; or links stir.
                let _ = tokio::time::timeout_at(next_bind, way.pulse().stirs()).await;
            }
            (Hearing::Nothing, None) => way.pulse().stirs().await,
            (Hearing::Fine | Hearing::Silent | Hearing::Nothing, _) => {}
        }
        sleep(LOOK).await;
    }
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
    let (probe, silent) = (PROBE.max(round_trip * 3), SILENT.max(round_trip * 3));
    // What was sent lately and is newer than what was heard waits for an answer.
    let waits = sent.filter(|sent| *sent < LATELY && heard.is_none_or(|heard| heard > *sent));
    match (waits, heard) {
        (Some(_), Some(heard)) if heard >= probe => Hearing::Silent,
        (Some(sent), None) if sent >= probe => Hearing::Silent,
        (Some(_), _) => Hearing::Fine,
        (None, Some(heard)) if heard < silent => Hearing::Fine,
        (None, Some(heard)) if heard < LATELY => Hearing::Silent,
        (None, _) => Hearing::Nothing,
    }
}

/// One silence from when it was noticed, or one change that was told.
#[derive(Debug, Clone, Copy)]
struct Episode {
    begun: Instant,
    next_bind: Instant,
    next_nudge: Instant,
    interval: Duration,
    challenged: Option<Instant>,
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
            challenged: None,
        }
    }

    /// Whether links sent something after the challenge: what it said may not hold any more.
    fn is_over(&self, pulse: &Pulse, now: Instant) -> bool {
        let Some(challenged) = self.challenged else {
            return false;
        };
        pulse
            .sent_ago(now)
            .is_some_and(|sent| sent + PROBE < now.duration_since(challenged))
    }

    fn is_old(&self, now: Instant) -> bool {
        now.duration_since(self.begun) > LATELY * 2
    }

    fn due(&mut self, now: Instant) -> Due {
        let asking = self.challenged.is_none();
        let due = Due {
            bind: now >= self.next_bind,
            nudge: asking && now >= self.next_nudge,
        };
        if due.bind {
            self.interval = if asking {
                (self.interval * 2).min(BIND)
            } else {
                self.interval.max(BIND) * 2
            };
            self.next_bind = now + self.interval;
        }
        if due.nudge {
            self.next_nudge = now + NUDGE;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is due at each look of `looks`, as times in ms since the beginning.
    async fn told(mut episode: Episode, looks: u32) -> (Vec<u128>, Vec<u128>) {
        let (mut binds, mut nudges) = (Vec::new(), Vec::new());
        for _ in 0..looks {
            let now = Instant::now();
            let due = episode.due(now);
            let at = now.duration_since(episode.begun).as_millis();
            if due.bind {
                binds.push(at);
            }
            if due.nudge {
                nudges.push(at);
            }
            tokio::time::advance(LOOK).await;
        }
        (binds, nudges)
    }

    #[tokio::test(start_paused = true)]
    async fn a_bind_that_nobody_challenges_is_repeated_and_the_control_stream_nudged() {
        let (binds, nudges) = told(Episode::begin(Instant::now()), 120).await;
        assert_eq!(binds, [0, 200, 600, 1400, 2400]);
        assert_eq!(nudges, (0..12).map(|many| many * 250).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_challenge_there_is_only_a_rare_bind() {
        let mut episode = Episode::begin(Instant::now());
        assert_eq!(
            episode.due(Instant::now()),
            Due {
                bind: true,
                nudge: true
            }
        );
        episode.challenged = Some(Instant::now());
        let (binds, nudges) = told(episode, 40 * 8).await;
        assert_eq!(binds, [200, 2200, 6200]);
        assert!(nudges.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_told_apart_from_having_nothing_to_say() {
        let pulse = Pulse::default();
        let hears = || hearing(&pulse, Instant::now(), Duration::ZERO);
        assert_eq!(hears(), Hearing::Nothing);
        pulse.sent(Instant::now());
        assert_eq!(hears(), Hearing::Fine, "an answer may still come");
        tokio::time::advance(PROBE).await;
        assert_eq!(
            hears(),
            Hearing::Silent,
            "something was sent and nothing heard"
        );
        pulse.heard(Instant::now());
        assert_eq!(hears(), Hearing::Fine);
        tokio::time::advance(SILENT).await;
        assert_eq!(hears(), Hearing::Silent, "a reader that hears no more");
        tokio::time::advance(LATELY).await;
        assert_eq!(hears(), Hearing::Nothing, "an idle link");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_way_has_more_time_before_it_counts_as_silent() {
        let pulse = Pulse::default();
        pulse.heard(Instant::now());
        tokio::time::advance(SILENT * 2).await;
        assert_eq!(
            hearing(&pulse, Instant::now(), Duration::ZERO),
            Hearing::Silent
        );
        assert_eq!(
            hearing(&pulse, Instant::now(), Duration::from_millis(200)),
            Hearing::Fine
        );
    }
}
