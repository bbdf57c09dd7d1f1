//! What a request is and whether it is allowed: the Kubernetes request model, the headers that go upstream, those of web
//! applications, the Cedar policy engine and the answer to who is denied.
//!
//! Used by gateway and connector. This crate does no I/O and reads no clock. Nothing in it decides by default: what is
//! not allowed by a rule, or cannot be parsed, is refused.

mod datetime;
pub mod engine;
pub mod headers;
pub mod kube_name;
pub mod request;
pub mod status;
pub mod web;

pub use engine::{Assumed, CheckedPolicy, Decision, Denial, Facts, MayProxy, Permit};
pub use headers::Impersonation;
pub use kube_name::{KubeGroupName, KubeUserName};
pub use request::{KubeRequest, RequestClass, RequestError};
pub use status::KubeStatus;
pub use web::WebRequest;
