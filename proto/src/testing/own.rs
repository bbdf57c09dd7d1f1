//! People who add to themselves.

use super::{Log, Person};
use crate::id::UserId;
use crate::roster::Role;
use crate::statement::Kind;
use crate::wire::roster as wire;

impl Log {
    /// Says as admin whether a user may add to himself; the rest of his entry stays.
    pub fn set_self_service(&mut self, user: UserId, self_service: bool) {
        let known = self.roster.user(user).expect("a user of the log");
        let role = match known.role {
            Role::User => wire::Role::Unspecified,
            Role::DeviceManager => wire::Role::DeviceManager,
            Role::Auditor => wire::Role::Auditor,
        };
        let entry = wire::User {
            user_id: user.to_string(),
            name: known.name.clone(),
            groups: known.groups.clone(),
            role: role.into(),
            self_service,
        };
        let body = wire::Body {
            users: vec![entry],
            ..self.body()
        };
        self.admin_says(Kind::User, &body);
    }

    /// Adds, invites and enrols somebody who may add to himself.
    pub fn add_person_with_self_service(&mut self, name: &str, groups: &[&str]) -> Person {
        let person = self.add_person(name, groups);
        self.set_self_service(person.user, true);
        person
    }

    /// The same person with a new passkey, which is in no log yet.
    #[must_use]
    pub fn with_new_passkey(&self, person: &Person) -> Person {
        let rp_id = self.roster.relying_party().rp_id();
        let fresh = Person::new(person.user, &person.name, rp_id, self.now);
        Person {
            passkey_id: fresh.passkey_id,
            passkey: fresh.passkey,
            ..person.clone()
        }
    }

    /// A body that adds the passkey of `with` to whoever signs it.
    pub fn own_passkey(&mut self, with: &Person) -> wire::Body {
        let passkey = Some(wire::Passkey {
            name: "spare".to_owned(),
            ..with.wire_passkey()
        });
        wire::Body {
            owns: vec![wire::Own { passkey }],
            ..self.body()
        }
    }

    /// Adds a further passkey with a touch of the earlier one; the person returned has the new one in hand.
    pub fn add_passkey(&mut self, person: &Person) -> Person {
        let with = self.with_new_passkey(person);
        let body = self.own_passkey(&with);
        let statement = self.sealed(person, Kind::Own, &body);
        self.push(statement);
        with
    }
}
