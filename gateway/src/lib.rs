//! The gateway of Adit: policy decision point, mailbox and blind relay.

pub mod audit;
pub mod clock;
pub mod config;
pub mod relay;
pub mod state;
pub mod store;
pub mod suspension;
