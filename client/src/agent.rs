//! The background process: one for each person on a machine, started by whoever needs it.
//!
//! Commands and the exec plugin talk to it over a socket that only its owner may use: HTTP/1.1, one POST for each call,
//! `/v1/PROFILE/CALL`, answered with one JSON event a line: what is said meanwhile, then how it ended.

pub mod client;
pub mod ensure;
pub mod pieces;
pub mod protocol;
pub mod run;

mod calls;
mod peer;
mod raw;
mod reply;
mod server;

pub use client::ask;
