//! What crosses a component of Adit: ids, keys, frames, reasons, statements and the roster, sign-in evidence.
//!
//! This crate does no I/O, reads no clock and takes no randomness: time and random bytes are arguments.

pub mod address;
pub mod assertion;
pub mod explained;
pub mod frame;
pub mod id;
pub mod invitation;
pub mod key;
pub mod label;
pub mod reason;
pub mod roster;
pub mod secret;
pub mod sign_in;
pub mod software_authenticator;
pub mod statement;
pub mod target;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod wire;
pub mod words;

pub use reason::Reason;
