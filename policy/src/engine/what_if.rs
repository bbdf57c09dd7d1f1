//! What would have to be different: the least that turns a denial into a permit.

use std::time::Duration;

use super::evaluation::Verdict;
use super::{Facts, MissingFactor, Tier};

/// Asks the rules again with a higher tier, a fresh sign-in and a touch, the fewest changes and the lowest tier first.
/// Returns what is missing and the verdict that would then be given.
pub(super) fn missing(
    facts: &Facts,
    probe: impl Fn(&Facts) -> Option<Verdict>,
) -> Option<(Vec<MissingFactor>, Verdict)> {
    let mut attempts = attempts(facts);
    attempts.sort_by_key(|(missing, other)| (missing.len(), other.tier));
    attempts
        .into_iter()
        .find_map(|(missing, other)| Some((missing, probe(&other)?)))
}

fn attempts(facts: &Facts) -> Vec<(Vec<MissingFactor>, Facts)> {
    let tiers = Tier::ALL.into_iter().filter(|tier| *tier >= facts.tier);
    let mut attempts = Vec::new();
    for tier in tiers {
        for fresh in [false, true] {
            for touch in [false, !facts.touched] {
                let mut missing = Vec::new();
                let mut other = facts.clone();
                if tier > facts.tier {
                    missing.push(MissingFactor::Tier {
                        has: facts.tier,
                        needs: tier,
                    });
                    other.tier = tier;
                }
                if fresh {
                    missing.push(MissingFactor::SignIn {
                        age: facts.sign_in_age,
                    });
                    other.sign_in_age = Duration::ZERO;
                }
                if touch {
                    missing.push(MissingFactor::Touch);
                    other.touched = true;
                }
                if !missing.is_empty() {
                    attempts.push((missing, other));
                }
            }
        }
    }
    attempts
}
