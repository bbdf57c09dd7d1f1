//! The gateway of Adit: policy decision point, mailbox and blind relay.

pub mod api;
pub mod app;
pub mod audit;
pub mod broker;
pub mod caller;
pub mod ceremony;
pub mod check;
pub mod clock;
pub mod config;
pub mod control;
#[cfg(test)]
mod denied;
pub mod enrol;
pub mod init;
mod metrics;
pub mod policy_in_force;
pub mod reading;
pub mod refusal;
pub mod registry;
pub mod relay;
pub mod roster_log;
pub mod services;
pub mod state;
pub mod store;
pub mod suspension;
#[cfg(test)]
mod testing;
pub mod web;
