//! Ways, QUIC endpoints over them, TLS with raw public keys.
//!
//! This crate moves bytes between parties and knows no product rule: no users, sessions, policy or reasons. Client and
//! connector are a [`party::Party`]; a gateway has a [`door::Door`] behind a relay of its own that is built from
//! [`cid`], [`rebind`] and [`way`]. Time is tokio's, randomness is an argument.

pub mod carry;
pub mod cid;
pub mod door;
pub mod endpoint;
pub mod frame;
pub mod key;
pub mod limit;
pub mod party;
pub mod rebind;
pub mod resolve;
pub mod secret_file;
pub mod stream;
pub mod tls;
pub mod way;

#[cfg(test)]
mod testing;
