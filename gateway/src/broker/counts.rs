//! How many there are of each.

use std::collections::HashMap;
use std::hash::Hash;

/// Counts by key; what is not there counts as none and takes no room.
#[derive(Debug)]
pub(super) struct Counts<K>(HashMap<K, usize>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Counts<K> {
    pub(super) fn of(&self, key: &K) -> usize {
        self.0.get(key).copied().unwrap_or_default()
    }

    pub(super) fn add(&mut self, key: K) {
        *self.0.entry(key).or_default() += 1;
    }

    pub(super) fn take(&mut self, key: &K) {
        if let Some(count) = self.0.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_as_often_as_added_takes_no_room() {
        let mut counts = Counts::default();
        counts.add("a");
        counts.add("a");
        counts.take(&"a");
        assert_eq!((counts.of(&"a"), counts.of(&"b")), (1, 0));
        counts.take(&"a");
        counts.take(&"a");
        assert!(counts.0.is_empty());
    }
}
