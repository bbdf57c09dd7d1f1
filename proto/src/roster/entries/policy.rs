//! Policies: numbers and digests.

use super::{Bench, EntryError, Kind, StatementError, each};
use crate::label::Hash;
use crate::wire::roster as wire;

impl Bench<'_> {
    pub(super) fn policies(&self, entries: &[wire::Policy]) -> Result<Vec<Hash>, StatementError> {
        if !self.is_admin() {
            return Err(StatementError::NoRight(Kind::Policy));
        }
        let mut last = u64::try_from(self.members.policies.len()).unwrap_or(u64::MAX);
        each(entries, |entry| {
            let expected = last.saturating_add(1);
            if entry.number != expected {
                return Err(EntryError::PolicyNumber { expected });
            }
            last = expected;
            entry
                .digest
                .as_slice()
                .try_into()
                .map_err(|_| EntryError::Field("digest"))
        })
    }
}
