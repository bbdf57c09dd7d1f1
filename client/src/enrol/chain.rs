//! The log as the gateway shows it to a newcomer: a client's view, and in it the statement that holds the invitation.

use adit_proto::id::{InvitationId, UserId};
use adit_proto::key::InvitationPublicKey;
use adit_proto::label::Hash;
use adit_proto::roster::{Roster, View};
use adit_proto::statement::Kind;
use adit_proto::time::UnixMillis;
use adit_proto::wire::roster::{Admits, Body, Statement, statement::Content};
use prost::Message;

use super::EnrolError;

/// What the log says of the invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invited {
    pub(super) invitation: InvitationId,
    pub(super) user: UserId,
    pub(super) tier_cap: u32,
    pub(super) expires: UnixMillis,
}

/// The log so far, verified statement by statement.
#[derive(Debug)]
pub(super) struct Chain {
    genesis: Hash,
    key: InvitationPublicKey,
    roster: Option<Roster>,
    invited: Option<Invited>,
}

impl Chain {
    /// Expects the log that begins with the statement of the hash `genesis` and holds the invitation of `key`.
    pub(super) fn new(genesis: Hash, key: InvitationPublicKey) -> Self {
        Self {
            genesis,
            key,
            roster: None,
            invited: None,
        }
    }

    /// Takes the next statements.
    pub(super) fn extend(&mut self, statements: &[Statement]) -> Result<(), EnrolError> {
        for statement in statements {
            if let Some(roster) = &mut self.roster {
                roster.append(statement).map_err(EnrolError::Chain)?;
            } else {
                let founded =
                    Roster::found_as(statement, View::Client).map_err(EnrolError::Chain)?;
                if founded.genesis() != self.genesis {
                    return Err(EnrolError::OtherGenesis);
                }
                self.roster = Some(founded);
            }
            if statement.kind == u32::from(Kind::Invitation) {
                self.look_into(statement)?;
            }
        }
        Ok(())
    }

    /// The log and what it says of the invitation.
    pub(super) fn finish(self) -> Result<(Roster, Invited), EnrolError> {
        let roster = self.roster.ok_or(EnrolError::OtherHistory)?;
        let invited = self.invited.ok_or(EnrolError::NotInvited)?;
        Ok((roster, invited))
    }

    /// Looks for the invitation in a statement whose body is shown. That the body is the one of the log is known from
    /// the statement's hash, which the chain covers.
    fn look_into(&mut self, statement: &Statement) -> Result<(), EnrolError> {
        let Some(Content::Body(bytes)) = &statement.content else {
            return Ok(());
        };
        let unreadable = EnrolError::Protocol("a statement that cannot be read");
        let body = Body::decode(&bytes[..]).map_err(|_| unreadable)?;
        let ours = body
            .invitations
            .iter()
            .find(|it| it.key == self.key.as_bytes());
        let Some(ours) = ours else {
            return Ok(());
        };
        if Admits::try_from(ours.admits) != Ok(Admits::Both) || ours.approval {
            return Err(EnrolError::Admits);
        }
        let id = ours
            .invitation_id
            .parse()
            .map_err(|_| EnrolError::NotInvited)?;
        let user = ours.user_id.parse().map_err(|_| EnrolError::NotInvited)?;
        self.invited = Some(Invited {
            invitation: id,
            user,
            tier_cap: ours.tier_cap,
            expires: UnixMillis(ours.expires_ms),
        });
        Ok(())
    }
}
