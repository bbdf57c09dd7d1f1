//! Enrolment: this machine's device key and a new passkey get into the roster, by an invitation (`enrol.proto`).
//!
//! ```text
//! Knocking ─start─▶ Started ─challenge, proof─▶ Proven ─page, chain, turn─▶ Turned
//!    invited:  Turned ─▶ Signed (by the invitation key) ─done─▶ Enrolled
//!    genesis:  Turned ─words, touch─▶ Founding ─touched─▶ Signed (by the device key) ─done─▶ Enrolled
//! ```
//!
//! Each state is a struct and each step consumes it. The states do no I/O; [`run`] carries their messages. Nothing that
//! the gateway says is believed but what it must know: its key is the one that the invitation names, the passkey is over
//! this device key, this invitation and its nonce, and the log begins with the invitation's genesis and holds this
//! invitation. Until the statement is stored nothing exists, and the invitation still works.

mod chain;
mod channel;
mod error;
mod evidence;
mod founding;
mod founding_words;
mod knocking;
pub mod recovery_key;
mod run;
pub mod staged;
mod turned;

use adit_proto::id::{DeviceId, UserId};
use adit_proto::key::Fingerprint;
use adit_proto::statement::Head;

pub use error::EnrolError;
pub use founding::Founder;
pub use knocking::{Contact, Newcomer, facts_of_this_machine};
pub use run::{Person, enrol};

/// What this machine is after an enrolment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// The user.
    pub user: UserId,
    /// The user's name, as the gateway calls it.
    pub user_name: String,
    /// This machine.
    pub device: DeviceId,
    /// The gateways' key and its named successor.
    pub gateways: (Fingerprint, Fingerprint),
    /// The log with the statement that enrolled.
    pub head: Head,
    /// The browser tab that a first sign-in goes on in.
    pub ceremony_id: String,
}

#[cfg(test)]
mod tests;
