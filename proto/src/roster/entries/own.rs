//! What users add to themselves: further passkeys.

use super::enrolment::{check_new_passkey, passkey};
use super::{Bench, EntryError, Kind, Signer, StatementError};
use crate::id::UserId;
use crate::roster::member::Passkey;
use crate::wire::roster as wire;

/// Most active passkeys of a user who adds one. Each is an entry of every page that asks for a touch.
pub const PASSKEYS_MAX: usize = 16;

impl Bench<'_> {
    pub(super) fn own(&self, entries: &[wire::Own]) -> Result<Box<Passkey>, StatementError> {
        let Signer::Device { user, .. } = self.signer else {
            return Err(StatementError::NoRight(Kind::Own));
        };
        // One touch adds one thing.
        let [entry] = entries else {
            return Err(StatementError::Entries);
        };
        if !self.allows_himself(user) {
            return Err(StatementError::NoRight(Kind::Own));
        }
        self.further_passkey(user, entry)
            .map(Box::new)
            .map_err(|source| StatementError::Entry { index: 0, source })
    }

    /// Whether the user's entry lets him add to himself. A client sees no entry of a user but the first admin's first
    /// one, and leaves that to who sees them all.
    fn allows_himself(&self, user: UserId) -> bool {
        let entry = self.members.active_user(user);
        self.members.is_clients_view || entry.is_some_and(|user| user.self_service)
    }

    fn further_passkey(&self, user: UserId, entry: &wire::Own) -> Result<Passkey, EntryError> {
        let entry = entry.passkey.as_ref().ok_or(EntryError::Field("passkey"))?;
        let passkey = passkey(entry, user)?;
        check_new_passkey(self.members, &passkey)?;
        (self.members.active_passkeys_of(user).count() < PASSKEYS_MAX)
            .then_some(passkey)
            .ok_or(EntryError::TooManyPasskeys)
    }
}
