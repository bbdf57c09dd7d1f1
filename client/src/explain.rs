//! `adit explain`: what would be decided about the requests of a command.
//!
//! ```text
//! command ─ explain ─▶ agent: id and token of an Explanation, which is running from now on
//! kubectl with that token ─▶ local endpoint ─ stream of kind `explain` ─▶ connector: decides, and mostly does nothing
//! command ─ explained ─▶ agent: what was decided, in the order of the requests; the Explanation is over
//! ```
//!
//! The token says that it is one of an explanation, and under a MAC: a request with it is never carried out otherwise, and
//! nobody else's requests are explained.

mod context;
mod decided;
mod kubectl;
mod line;
mod running;

pub use context::Goal;
pub use decided::{Decided, Ground, Request, Told};
pub use kubectl::{Ended, Kubectl};
pub use line::Line;
pub use running::{Explanations, ID_LEN, Id, NoPlace};
