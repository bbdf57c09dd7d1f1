//! What is proposed, and what came of it, as they cross the agent's socket.

use adit_proto::Reason;
use adit_proto::label::Hash;
use adit_proto::statement::Head;
use adit_proto::time::UnixMillis;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// What a person wants stated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what", deny_unknown_fields)]
pub enum Proposal {
    /// Names people and admits a device and a passkey of each: one statement of users, one of invitations.
    Invite {
        /// The people, each once.
        people: Vec<Invitee>,
        /// How long the invitations are good, in seconds.
        life_s: u64,
    },
    /// Says what people are, and invites nobody: one statement of users.
    SetUsers {
        /// The people, each once.
        people: Vec<Facts>,
    },
    /// Adds a passkey to whoever signs.
    AddPasskey {
        /// What it is called.
        name: String,
    },
    /// Removes a passkey of whoever signs.
    RemovePasskey {
        /// Its id, or its name where that is unique.
        passkey: String,
        /// Why; shown to who is refused.
        reason: String,
    },
    /// Admits a cluster.
    AddCluster {
        /// Its name.
        name: String,
        /// Its key, base64 of SubjectPublicKeyInfo DER.
        key: String,
    },
    /// Puts a policy in force.
    ApplyPolicy {
        /// Its text.
        text: String,
    },
    /// Ends trust in one thing.
    Revoke {
        /// In what.
        subject: Named,
        /// Why; shown to who is refused.
        reason: String,
    },
}

/// What somebody is. What is `None` stays as it is of a user who is there already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The user's name.
    pub name: String,
    /// Groups.
    pub groups: Option<Vec<String>>,
    /// Role.
    pub role: Option<Role>,
    /// Whether the user may add passkeys of his own.
    pub self_service: Option<bool>,
}

/// Somebody to invite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitee {
    /// Who it is.
    pub facts: Facts,
    /// The invitation's public key, base64 of 32 bytes. The seed stays with the command.
    pub key: String,
}

/// What a user may do besides what is his own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Nothing further.
    User,
    /// Invites users who are not admins.
    DeviceManager,
    /// Reads audit and recordings.
    Auditor,
}

/// A thing by its id, or by its name where that is unique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// A user.
    User(String),
    /// A device.
    Device(String),
    /// A passkey.
    Passkey(String),
    /// An invitation.
    Invitation(String),
    /// A cluster.
    Cluster(String),
    /// The policy of that number.
    Policy(u64),
}

/// What was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The statements that were appended, in order.
    pub statements: Vec<MadeStatement>,
    /// Who was invited.
    #[serde(default)]
    pub invited: Vec<Invited>,
    /// Number of the policy that is in force now.
    #[serde(default)]
    pub policy: Option<u64>,
    /// The passkey that was added.
    #[serde(default)]
    pub passkey: Option<AddedPasskey>,
}

/// A passkey that is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedPasskey {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
}

/// A statement that is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeStatement {
    /// Its number.
    pub number: u64,
    /// Its kind.
    pub kind: String,
    /// Its hash, base64.
    pub hash: String,
}

/// An invitation that is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// The user's name.
    pub name: String,
    /// The user.
    pub user_id: String,
    /// The invitation.
    pub invitation_id: String,
    /// When it ends.
    pub expires_ms: u64,
}

/// A turn at the roster as the gateway answers it.
#[derive(Debug, Deserialize)]
pub(super) struct Turn {
    pub(super) turn_id: String,
    head: TurnHead,
}

#[derive(Debug, Deserialize)]
struct TurnHead {
    genesis: String,
    number: u64,
    hash: String,
    time_ms: u64,
}

impl Turn {
    /// The head to append to.
    pub(super) fn head(&self) -> Result<Head, Failure> {
        let hash = |text: &str| -> Result<Hash, Failure> {
            let bytes = STANDARD.decode(text).ok();
            bytes
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or_else(|| {
                    Failure::of(
                        Reason::VersionUnsupported,
                        "the gateway's head cannot be read",
                    )
                })
        };
        Ok(Head {
            genesis: hash(&self.head.genesis)?,
            number: self.head.number,
            hash: hash(&self.head.hash)?,
            time: UnixMillis(self.head.time_ms),
        })
    }
}
