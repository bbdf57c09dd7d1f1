//! `adit`: the command line and its background agent.
//!
//! A command is short-lived; what lasts (connections, sign-in, sessions, links, the local Kubernetes endpoint) is the
//! agent's, which commands and the exec plugin reach over its socket.

pub mod agent;
pub mod api;
pub mod browser;
pub mod carry;
pub mod ceremony;
pub mod cli;
pub mod clock;
pub mod command;
pub mod completion;
pub mod control;
pub mod doctor;
pub mod enrol;
pub mod exit;
pub mod explain;
pub mod flight;
pub mod kube;
pub mod kubeconfig;
pub mod link;
pub mod loopback;
pub mod paths;
pub mod private_file;
pub mod profile;
pub mod random;
pub mod reset;
pub mod roster;
pub mod seat;
pub mod session;
pub mod sign_in;
pub mod statement;
pub mod talk;
pub mod timestamp;
pub mod version;
pub mod web;

#[cfg(test)]
mod testing;
