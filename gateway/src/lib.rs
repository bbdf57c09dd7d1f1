//! The gateway of Adit: policy decision point, mailbox and blind relay.

pub mod clock;
pub mod config;
pub mod store;
