//! What is trusted because an admin wrote it into the configuration, and statements judged by it.

use adit_proto::label::Hash;
use adit_proto::roster::{Appended, Roster};
use adit_proto::statement::hash_of;
use adit_proto::wire::roster::Statement;

use super::BookError;
use crate::config::ConfiguredHead;

/// What is trusted because an admin wrote it into the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The hash of the first statement.
    pub genesis: Hash,
    /// The head at the time of the installation.
    pub head: ConfiguredHead,
}

impl Origin {
    /// Takes one statement; `None` if it was known already.
    pub(super) fn append(
        &self,
        roster: &mut Option<Roster>,
        statement: &Statement,
    ) -> Result<Option<Appended>, BookError> {
        let number = statement.number;
        let refused = |source| BookError::Refused { number, source };
        let fork = BookError::Fork { number };
        let Some(known) = roster else {
            if number != 1 {
                return Err(BookError::Gap { number, wanted: 1 });
            }
            let founded = Roster::found(statement).map_err(refused)?;
            let head = founded.head();
            if head.hash != self.genesis || (self.head.number == 1 && head.hash != self.head.hash) {
                return Err(fork);
            }
            *roster = Some(founded);
            return Ok(Some(Appended {
                number,
                hash: head.hash,
                kind: Some(adit_proto::statement::Kind::Genesis),
                time: head.time,
            }));
        };
        if let Some(own) = known.hash_at(number) {
            // A first statement is hashed as if there was no genesis before it.
            let genesis = if number == 1 {
                [0; 32]
            } else {
                known.genesis()
            };
            let hash = hash_of(&genesis, statement).map_err(refused)?;
            return if hash == *own { Ok(None) } else { Err(fork) };
        }
        let wanted = known.number() + 1;
        if number != wanted {
            return Err(BookError::Gap { number, wanted });
        }
        let appended = known.append(statement).map_err(refused)?;
        if number == self.head.number && appended.hash != self.head.hash {
            return Err(fork);
        }
        Ok(Some(appended))
    }
}
