//! `adit`: the command line and its background agent.
//!
//! A command is short-lived; what lasts (connections, sign-in, sessions, links, the local Kubernetes endpoint) is the
//! agent's, which commands and the exec plugin reach over its socket.

pub mod api;
pub mod browser;
pub mod ceremony;
pub mod clock;
pub mod enrol;
pub mod exit;
pub mod flight;
pub mod kube;
pub mod paths;
pub mod private_file;
pub mod profile;
pub mod random;
pub mod reset;
pub mod sign_in;
pub mod statement;
pub mod talk;

#[cfg(test)]
mod testing;
