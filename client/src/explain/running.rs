//! Explanations that are running, in the agent.

use parking_lot::Mutex;

use super::{Decided, Told};
use crate::exit::Failure;

/// Bytes of an explanation's id.
pub const ID_LEN: usize = 16;
/// Explanations at once; the oldest makes room. One whose command was killed stays until then.
const RUNNING_MAX: usize = 16;
/// Requests of an explanation; what is beyond is turned away. `kubectl` sends three for an object that it applies.
const REQUESTS_MAX: usize = 4096;

/// An explanation's id.
pub type Id = [u8; ID_LEN];

/// Why a request has no place in an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// It is over.
    Over,
    /// It has as many as it may.
    Full,
}

/// The explanations of one profile.
#[derive(Debug, Default)]
pub struct Explanations(Mutex<Vec<Explanation>>);

#[derive(Debug)]
struct Explanation {
    id: Id,
    /// One for each request; empty until it is decided.
    decided: Vec<Option<Decided>>,
    failed: Option<Failure>,
}

impl Explanations {
    /// Begins one.
    pub fn begin(&self, id: Id) {
        let mut running = self.0.lock();
        if running.len() >= RUNNING_MAX {
            running.remove(0);
        }
        running.push(Explanation {
            id,
            decided: Vec::new(),
            failed: None,
        });
    }

    /// Ends one and gives what was decided; `None` if there is none.
    pub fn end(&self, id: &Id) -> Option<Told> {
        let mut running = self.0.lock();
        let at = running.iter().position(|it| it.id == *id)?;
        let explanation = running.remove(at);
        Some(Told {
            // A request that its client gave up has no decision.
            decided: explanation.decided.into_iter().flatten().collect(),
            failed: explanation.failed,
        })
    }

    /// Takes a place for a request that came.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn place(&self, id: &Id) -> Result<usize, NoPlace> {
        let mut running = self.0.lock();
        let explanation = running.iter_mut().find(|it| it.id == *id);
        let decided = &mut explanation.ok_or(NoPlace::Over)?.decided;
        if decided.len() >= REQUESTS_MAX {
            return Err(NoPlace::Full);
        }
        decided.push(None);
        Ok(decided.len() - 1)
    }

    /// Takes note of what was decided about the request at `place`.
    pub fn decided(&self, id: &Id, place: usize, decided: Decided) {
        self.with(id, |explanation| {
            if let Some(kept) = explanation.decided.get_mut(place) {
                *kept = Some(decided);
            }
        });
    }

    /// Takes note of why it is not known what would be decided about a request; the first one counts.
    pub fn failed(&self, id: &Id, failure: &Failure) {
        self.with(id, |explanation| {
            explanation.failed.get_or_insert_with(|| failure.clone());
        });
    }

    fn with(&self, id: &Id, note: impl FnOnce(&mut Explanation)) {
        // One that is over wants to know nothing more.
        if let Some(explanation) = self.0.lock().iter_mut().find(|it| it.id == *id) {
            note(explanation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Id = [1; ID_LEN];

    fn named(user: &str) -> Decided {
        Decided {
            user: user.to_owned(),
            ..Decided::default()
        }
    }

    #[test]
    fn decisions_have_the_order_of_their_requests_and_are_told_once() {
        let explanations = Explanations::default();
        explanations.begin(ID);
        let places: Vec<_> = (0..3).map(|_| explanations.place(&ID).unwrap()).collect();
        explanations.decided(&ID, places[2], named("third"));
        explanations.decided(&ID, places[0], named("first"));
        let told = explanations.end(&ID).unwrap();
        assert_eq!(told.decided, [named("first"), named("third")]);
        assert_eq!(explanations.end(&ID), None);
        assert_eq!(explanations.place(&ID), Err(NoPlace::Over));
    }

    #[test]
    fn the_first_failure_counts() {
        let explanations = Explanations::default();
        explanations.begin(ID);
        explanations.failed(&ID, &Failure::new("one"));
        explanations.failed(&ID, &Failure::new("two"));
        let failed = explanations.end(&ID).unwrap().failed.unwrap();
        assert_eq!(failed.message, "one");
    }

    #[test]
    fn explanations_and_their_requests_have_a_bound() {
        let explanations = Explanations::default();
        for id in 0..=RUNNING_MAX {
            explanations.begin([u8::try_from(id).unwrap(); ID_LEN]);
        }
        assert_eq!(explanations.end(&[0; ID_LEN]), None, "the oldest made room");
        for _ in 0..REQUESTS_MAX {
            explanations.place(&ID).unwrap();
        }
        assert_eq!(explanations.place(&ID), Err(NoPlace::Full));
    }
}
