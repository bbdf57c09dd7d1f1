//! A statement of the roster: how it is drafted, placed after a head, hashed and signed.
//!
//! Signed means the bytes as sent: a body is made once and its bytes are kept. What a statement may say, and whether
//! its signer may say it, is judged by [`crate::roster`].

mod error;
mod head;
mod kind;

use prost::Message;

pub use error::{EntryError, StatementError};
pub use head::{Head, HeadError};
pub use kind::{Kind, KindError};

use crate::key::Fingerprint;
use crate::label::{Hash, SIGN, STATEMENT, digest, sha256};
use crate::wire::identity::Assertion;
use crate::wire::roster::{Body, Statement, statement::Content};

/// What the hash of a statement stands on besides its body.
#[derive(Clone, Copy)]
struct Position<'a> {
    genesis: &'a Hash,
    number: u64,
    previous: &'a Hash,
    kind: u16,
    signer: &'a Fingerprint,
}

impl Position<'_> {
    fn hash(self, body: &Hash) -> Hash {
        let parts: [&[u8]; 6] = [
            self.genesis,
            &self.number.to_be_bytes(),
            self.previous,
            &self.kind.to_be_bytes(),
            &self.signer.0,
            body,
        ];
        digest(STATEMENT, &parts)
    }
}

/// The challenge of the touch over a body: what an admin's passkey signs.
///
/// It names no place in the log, so that the touch can be made before the turn to append.
#[must_use]
pub fn touch_challenge(genesis: &Hash, kind: u16, signer: &Fingerprint, body: &Hash) -> Hash {
    digest(SIGN, &[genesis, &kind.to_be_bytes(), &signer.0, body])
}

/// A statement without a place: its body is fixed, its number is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    genesis: Hash,
    kind: Kind,
    signer: Fingerprint,
    body: Vec<u8>,
}

impl Draft {
    /// Fixes the bytes of `body`. `genesis` is zero for the genesis statement.
    #[must_use]
    pub fn new(genesis: Hash, kind: Kind, signer: Fingerprint, body: &Body) -> Self {
        let body = body.encode_to_vec();
        Self {
            genesis,
            kind,
            signer,
            body,
        }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// SHA-256 of the body.
    #[must_use]
    pub fn body_hash(&self) -> Hash {
        sha256(&self.body)
    }

    /// The challenge of the touch over the body.
    #[must_use]
    pub fn touch_challenge(&self) -> Hash {
        let kind = self.kind.number();
        touch_challenge(&self.genesis, kind, &self.signer, &self.body_hash())
    }

    /// Places the statement after `head`.
    #[must_use]
    pub fn place(&self, head: &Head) -> Placed {
        let (number, previous) = (head.number.saturating_add(1), head.hash);
        let position = Position {
            genesis: &self.genesis,
            number,
            previous: &previous,
            kind: self.kind.number(),
            signer: &self.signer,
        };
        let hash = position.hash(&self.body_hash());
        Placed {
            number,
            previous,
            hash,
            draft: self.clone(),
        }
    }
}

/// A statement with its place, ready to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    number: u64,
    previous: Hash,
    hash: Hash,
    draft: Draft,
}

impl Placed {
    /// The statement's hash: the message that its signer signs.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Adds the signature over [`Placed::hash`] (ECDSA in DER, or 64 bytes of Ed25519) and the touch, if the kind
    /// needs one.
    #[must_use]
    pub fn seal(self, signature: Vec<u8>, touch: Option<Assertion>) -> Statement {
        Statement {
            number: self.number,
            previous: self.previous.to_vec(),
            kind: self.draft.kind.into(),
            signer: self.draft.signer.0.to_vec(),
            content: Some(Content::Body(self.draft.body)),
            signature,
            touch,
        }
    }
}

/// The hash of a statement in the log that begins with `genesis`, whether its body is there or withheld.
///
/// # Errors
/// [`StatementError::Malformed`] if a field is missing or has another length than the format says.
pub fn hash_of(genesis: &Hash, statement: &Statement) -> Result<Hash, StatementError> {
    let body = match &statement.content {
        Some(Content::Body(body)) => sha256(body),
        Some(Content::BodyHash(hash)) => fixed(hash, "body_hash")?,
        None => return Err(StatementError::Malformed { field: "body" }),
    };
    let position = Position {
        genesis,
        number: statement.number,
        previous: &fixed(&statement.previous, "previous")?,
        kind: u16::try_from(statement.kind)
            .map_err(|_| StatementError::Malformed { field: "kind" })?,
        signer: &Fingerprint(fixed(&statement.signer, "signer")?),
    };
    Ok(position.hash(&body))
}

/// Takes the 32 bytes of a hash from a field.
pub(crate) fn fixed(bytes: &[u8], field: &'static str) -> Result<Hash, StatementError> {
    bytes
        .try_into()
        .map_err(|_| StatementError::Malformed { field })
}
