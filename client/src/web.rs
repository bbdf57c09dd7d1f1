//! Web applications in the person's browser: `http://NAME-RANDOM.localhost:PORT`.
//!
//! ```text
//! adit open ─▶ Nonces ─▶ the first address, once ─▶ Gate: swapped for the agent's cookie ─▶ the application's pages
//!                                                    │ without cookie or nonce: 403
//!                                                    ▼ with it: a stream of its own for each request
//! ```
//!
//! Each service of each user has a name of its own, of which 40 bits are random and kept: cookies do not separate ports,
//! and a name that nobody can guess is one that no other user's server gets cookies for. The agent's cookie stays in this
//! module: it goes to no application, and no application can set it.

pub mod cookie;
pub mod gate;
pub mod listener;
pub mod names;
pub mod nonce;
