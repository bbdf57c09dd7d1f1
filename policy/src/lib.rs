//! What a request is and whether it is allowed: the Kubernetes request model, the headers that go upstream, the Cedar
//! policy engine and the answer to who is denied.
//!
//! Used by gateway and connector. This crate does no I/O and reads no clock. Nothing in it decides by default: what is
//! not allowed by a rule, or cannot be parsed, is refused.

pub mod request;

pub use request::{KubeRequest, RequestClass, RequestError};
