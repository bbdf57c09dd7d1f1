//! The Kubernetes path: one HTTP/1.1 request of a link's stream, decided, recorded, rebuilt and sent to the API server.
//!
//! ```text
//! stream ─▶ h1 ─▶ exchange ─▶ upstream (pool of HTTP/1.1 connections)
//!                  │ decide: parse, decide, headers; audit intent
//! stream ◀─ answer ◀┘ streamed, counted, audit outcome
//! stream ◀▶ splice (raw bytes after a 101) ◀▶ a connection of its own
//! ```
//!
//! A request that is only explained is decided on the same way and mostly ends there: `explain`.
//!
//! What goes upstream is built from parsed fields. Nothing is buffered whole, nothing is timed out for being long, no
//! redirect is followed, and an answer that was cut off never looks whole.

mod answer;
mod credentials;
mod decide;
mod exchange;
mod explain;
mod request_body;
mod serve;
mod splice;
#[cfg(test)]
mod tests;
mod upstream;

pub use credentials::{CredentialsError, load};
pub use serve::{Errand, Kube, Purpose};
pub use upstream::Upstream;
