//! Users: new ones, and new facts about those that are there.

use std::collections::HashSet;

use super::{Bench, EntryError, Kind, Members, StatementError, each, id, once};
use crate::roster::member::{Role, User};
use crate::roster::name::check_name;
use crate::wire::roster as wire;

/// Most groups of a user. Each becomes a header of every request.
const GROUPS_MAX: usize = 128;

impl Bench<'_> {
    pub(super) fn users(&self, entries: &[wire::User]) -> Result<Vec<User>, StatementError> {
        if !self.is_admin() {
            return Err(StatementError::NoRight(Kind::User));
        }
        let (mut ids, mut names) = (HashSet::new(), HashSet::new());
        each(entries, |entry| {
            let user = parse(entry)?;
            once(&mut ids, user.id, EntryError::IdTaken)?;
            once(&mut names, user.name.clone(), EntryError::NameTaken)?;
            check_free(self.members, &user)?;
            Ok(user)
        })
    }
}

/// A name is free if it is nobody's, or the user's own already.
fn check_free(members: &Members, user: &User) -> Result<(), EntryError> {
    if members
        .users
        .get(&user.id)
        .is_some_and(|before| before.revoked.is_some())
    {
        return Err(EntryError::IdTaken);
    }
    members
        .user_named(&user.name)
        .is_none_or(|holder| holder.id == user.id)
        .then_some(())
        .ok_or(EntryError::NameTaken)
}

pub(super) fn parse(entry: &wire::User) -> Result<User, EntryError> {
    check_name(&entry.name)?;
    let distinct: HashSet<_> = entry.groups.iter().collect();
    if entry.groups.len() > GROUPS_MAX || distinct.len() != entry.groups.len() {
        return Err(EntryError::Field("groups"));
    }
    entry
        .groups
        .iter()
        .try_for_each(|group| check_name(group))?;
    let role = match wire::Role::try_from(entry.role) {
        Ok(wire::Role::Unspecified) => Role::User,
        Ok(wire::Role::DeviceManager) => Role::DeviceManager,
        Ok(wire::Role::Auditor) => Role::Auditor,
        Err(_) => return Err(EntryError::Field("role")),
    };
    Ok(User {
        id: id(&entry.user_id, "user_id")?,
        name: entry.name.clone(),
        groups: entry.groups.clone(),
        role,
        self_service: entry.self_service,
        revoked: None,
    })
}
