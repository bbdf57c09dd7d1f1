//! The local Kubernetes endpoint: `https://127.0.0.1:PORT/k/CLUSTER`.
//!
//! Owns the listener, its certificate and its port, and lets a request through only with the exact `Host`, no foreign
//! `Origin` and a token that the exec plugin handed out for that cluster. Each request then goes onto a stream of its
//! own. It knows no session and no link: [`crate::carry::Carrier`] is what it asks for a stream.

pub mod certificate;
mod explaining;
pub mod gate;
pub mod listener;
mod passage;
pub mod status;
pub mod token;
