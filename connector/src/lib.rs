//! The connector of Adit: dials out to gateways, verifies each session and each request itself, and serves the API
//! server and services of its cluster through links that no gateway can read. It listens on nothing.

pub mod app;
pub mod audit;
pub mod clock;
pub mod config;
pub mod control;
pub mod h1;
pub mod health;
pub mod kube;
pub mod link;
pub mod log;
pub mod metered;
pub mod random;
pub mod roster;
pub mod service;
pub mod session;
pub mod web;

#[cfg(test)]
mod testing;
