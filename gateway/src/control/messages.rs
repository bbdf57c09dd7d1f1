//! The messages of `adit-control/1`, declared once: what each is called and who may send it.

use adit_proto::wire::control::frame::Message;

use crate::caller::Role;

/// A message of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its field in `control.proto`.
    pub name: &'static str,
    /// Who may send it to a gateway; nobody if it only goes to parties.
    pub from: &'static [Role],
    /// Whether it comes before everything else, and only then.
    pub first: bool,
}

impl Declared {
    /// Whether a party of this role may send it.
    #[must_use]
    pub fn allows(&self, role: Role) -> bool {
        self.from.contains(&role)
    }
}

macro_rules! messages {
    ($($variant:ident = $name:literal from $from:expr, first $first:literal;)*) => {
        /// Every message.
        pub const MESSAGES: &[Declared] = &[$(
            Declared { name: $name, from: $from, first: $first },
        )*];

        /// What is declared of a message.
        #[must_use]
        pub fn declared(message: &Message) -> Declared {
            match message {
                $(Message::$variant(_) => Declared { name: $name, from: $from, first: $first },)*
            }
        }
    };
}

const CONNECTOR: &[Role] = &[Role::Connector];
const BOTH: &[Role] = &[Role::Device, Role::Connector];
const NOBODY: &[Role] = &[];

messages! {
    Register = "register" from BOTH, first true;
    Probe = "probe" from BOTH, first false;
    OfferAnswer = "offer_answer" from CONNECTOR, first false;
    AuditUpload = "audit_upload" from CONNECTOR, first false;
    RosterFetch = "roster_fetch" from BOTH, first false;
    Metrics = "metrics" from CONNECTOR, first false;
    Registered = "registered" from NOBODY, first false;
    RosterStatements = "roster_statements" from NOBODY, first false;
    Lease = "lease" from NOBODY, first false;
    PolicyText = "policy_text" from NOBODY, first false;
    Offer = "offer" from NOBODY, first false;
    Pair = "pair" from NOBODY, first false;
    RouteMoved = "route_moved" from NOBODY, first false;
    AuditStored = "audit_stored" from NOBODY, first false;
    Goodbye = "goodbye" from NOBODY, first false;
    SessionEnded = "session_ended" from BOTH, first false;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message that the schema has and this table lacks does not compile; one that it has twice fails here.
    #[test]
    fn each_message_of_the_schema_is_declared_once() {
        let schema = include_str!("../../../proto/wire/control.proto");
        let oneof = schema
            .split("oneof message {")
            .nth(1)
            .unwrap()
            .split('}')
            .next()
            .unwrap();
        let mut in_schema: Vec<&str> = oneof
            .lines()
            .filter(|line| line.contains('='))
            .filter_map(|line| line.split_whitespace().nth(1))
            .collect();
        let mut here: Vec<&str> = MESSAGES.iter().map(|message| message.name).collect();
        in_schema.sort_unstable();
        here.sort_unstable();
        assert_eq!(here, in_schema);
    }

    #[test]
    fn only_register_comes_first() {
        let first: Vec<_> = MESSAGES.iter().filter(|message| message.first).collect();
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].name, "register");
    }
}
