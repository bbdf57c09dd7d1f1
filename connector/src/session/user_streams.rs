//! Streams of one user, over all sessions and devices.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use adit_proto::id::UserId;

/// How many streams a user has; shared by the user's sessions.
#[derive(Clone, Debug)]
pub(super) struct UserStreams(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct UserStream(Arc<AtomicUsize>);

impl UserStreams {
    /// One more; `None` if there are `limit` already.
    pub(super) fn open(&self, limit: usize) -> Option<UserStream> {
        // Counted from here on, and no more if it is not handed out.
        let stream = UserStream(Arc::clone(&self.0));
        (self.0.fetch_add(1, Ordering::AcqRel) < limit).then_some(stream)
    }
}

impl Drop for UserStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The counts of those who have sessions.
#[derive(Debug, Default)]
pub(super) struct OfUsers(HashMap<UserId, Weak<AtomicUsize>>);

impl OfUsers {
    /// The count of a user, for one more session.
    pub(super) fn of(&mut self, user: UserId) -> UserStreams {
        if let Some(count) = self.0.get(&user).and_then(Weak::upgrade) {
            return UserStreams(count);
        }
        self.0.retain(|_, count| count.strong_count() > 0);
        let count = Arc::default();
        self.0.insert(user, Arc::downgrade(&count));
        UserStreams(count)
    }
}

#[cfg(test)]
mod tests {
    use adit_proto::testing::random;
    use adit_proto::time::UnixMillis;

    use super::*;

    #[test]
    fn sessions_of_one_user_share_a_count_and_those_of_nobody_take_no_room() {
        let user = || UserId::from_parts(UnixMillis(1), random());
        let (anna, ben) = (user(), user());
        let mut users = OfUsers::default();
        let (first, second) = (users.of(anna), users.of(anna));
        let held = first.open(2).unwrap();
        assert!(second.open(2).is_some() && users.of(ben).open(1).is_some());
        let also = second.open(2).unwrap();
        assert!(first.open(2).is_none() && second.open(2).is_none());
        drop(held);
        assert!(first.open(2).is_some());
        drop((also, first, second));
        users.of(ben);
        assert_eq!(users.0.len(), 1);
    }
}
