//! The Kubernetes path: one HTTP/1.1 request of a link's stream, decided, recorded, rebuilt and sent to the API server.
//!
//! ```text
//! stream ─▶ h1 ─▶ exchange ─▶ upstream (pool of HTTP/1.1 connections)
//!                  │ parse, decide, headers, audit intent
//! stream ◀─ answer ◀┘ streamed, counted, audit outcome
//! stream ◀▶ splice (raw bytes after a 101) ◀▶ a connection of its own
//! ```
//!
//! What goes upstream is built from parsed fields. Nothing is buffered whole, nothing is timed out for being long, no
//! redirect is followed, and an answer that was cut off never looks whole.

mod answer;
mod credentials;
mod exchange;
mod request_body;
mod serve;
mod splice;
#[cfg(test)]
mod tests;
mod upstream;

pub use credentials::{CredentialsError, load};
pub use serve::Kube;
pub use upstream::Upstream;
