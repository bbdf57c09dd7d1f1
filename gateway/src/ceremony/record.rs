//! What a ceremony is about and how it came out, as the store keeps it.

use adit_proto::wire::identity::Assertion;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bytes;
use super::relying_party::KnownPasskey;

/// What the browser is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The first passkey of a device that enrols.
    Register,
    /// A further passkey of somebody who is signed in.
    Further,
    /// A passkey authorises a device key for a time.
    SignIn,
    /// The same, for a device on another machine: its code is typed.
    TypedSignIn,
    /// A passkey approves a statement of the roster.
    Touch,
}

impl Kind {
    /// The name that page, script and store use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register | Self::Further => "register",
            Self::SignIn | Self::TypedSignIn => "sign-in",
            Self::Touch => "touch",
        }
    }
}

/// What the page shows of who asks. Each is text of somebody else, so it is shown as text only.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// The code that the terminal shows too; for a touch the words.
    pub matching_code: String,
    /// What the device is called.
    pub device: String,
    /// Whose device it is, or is to become.
    pub owner: String,
    /// Where the gateway saw the device.
    pub source_address: String,
    /// Four words of the digest of what is approved; for a touch only.
    pub words: Option<String>,
    /// Unix time in milliseconds.
    pub asked_ms: u64,
}

/// What a ceremony is about, beyond what the page shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Subject {
    Register,
    Further,
    SignIn {
        sign_in: String,
        /// `SignInRequest`, as hashed into the challenge.
        #[serde(with = "bytes")]
        request: Vec<u8>,
        port: u16,
        /// The agent's own, shown to its port again.
        state: String,
    },
    /// A sign-in that returns nowhere: the device asks what came of it.
    TypedSignIn {
        /// As above.
        #[serde(with = "bytes")]
        request: Vec<u8>,
    },
    Touch {
        passkeys: Vec<StoredPasskey>,
    },
}

impl Subject {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Register => Kind::Register,
            Self::Further => Kind::Further,
            Self::SignIn { .. } => Kind::SignIn,
            Self::TypedSignIn { .. } => Kind::TypedSignIn,
            Self::Touch { .. } => Kind::Touch,
        }
    }
}

/// A passkey that may answer a touch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredPasskey {
    #[serde(with = "bytes")]
    pub(super) credential_id: Vec<u8>,
    #[serde(with = "bytes")]
    pub(super) cose_key: Vec<u8>,
}

impl From<&KnownPasskey> for StoredPasskey {
    fn from(known: &KnownPasskey) -> Self {
        Self {
            credential_id: known.credential_id.clone(),
            cose_key: known.cose_key.clone(),
        }
    }
}

/// Everything about a ceremony but its place in the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Detail {
    pub(super) subject: Subject,
    pub(super) shown: Shown,
    /// `publicKey` for the browser.
    pub(super) options: Value,
    /// The WebAuthn library's state.
    pub(super) state: String,
    #[serde(with = "bytes")]
    pub(super) challenge: Vec<u8>,
    /// Relying party of this ceremony: before genesis there is no roster to ask.
    pub(super) rp_id: String,
    pub(super) origins: Vec<String>,
    /// Whether the tab waits for what follows.
    pub(super) goes_on: bool,
}

/// How a ceremony came out, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Outcome {
    Registered {
        #[serde(with = "bytes")]
        attestation_object: Vec<u8>,
        #[serde(with = "bytes")]
        client_data_json: Vec<u8>,
    },
    SignedIn {
        assertion: StoredAssertion,
        /// SHA-256 of the one-time code that went to the loopback port.
        #[serde(with = "bytes")]
        code_hash: Vec<u8>,
    },
    /// Nothing went anywhere: the code was typed, and the PKCE verifier is with the device.
    SignedInTyped {
        assertion: StoredAssertion,
    },
    Touched {
        assertion: StoredAssertion,
    },
    Refused {
        reason: String,
    },
}

/// An assertion as the browser sent it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredAssertion {
    #[serde(with = "bytes")]
    credential_id: Vec<u8>,
    #[serde(with = "bytes")]
    client_data_json: Vec<u8>,
    #[serde(with = "bytes")]
    authenticator_data: Vec<u8>,
    #[serde(with = "bytes")]
    signature: Vec<u8>,
}

impl From<Assertion> for StoredAssertion {
    fn from(sent: Assertion) -> Self {
        Self {
            credential_id: sent.credential_id,
            client_data_json: sent.client_data_json,
            authenticator_data: sent.authenticator_data,
            signature: sent.signature,
        }
    }
}

impl From<StoredAssertion> for Assertion {
    fn from(stored: StoredAssertion) -> Self {
        Self {
            credential_id: stored.credential_id,
            client_data_json: stored.client_data_json,
            authenticator_data: stored.authenticator_data,
            signature: stored.signature,
        }
    }
}

/// A ceremony that waits for its answer, as the page sees it.
#[derive(Clone, Debug)]
pub struct Page {
    /// What is asked for.
    pub kind: Kind,
    /// Who asks.
    pub shown: Shown,
    /// `publicKey` for the browser.
    pub options: Value,
}

/// What the tab does after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes to another ceremony or to the agent's callback.
    Go(String),
    /// It asks again.
    Wait,
    /// Nothing follows.
    Done,
}
