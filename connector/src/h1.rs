//! One HTTP/1.1 request on a stream of a link, and one on a connection that is nobody else's.
//!
//! ```text
//! stream ─▶ request_line ─▶ hyper (server) ─▶ the path's own exchange ─▶ ask (hyper client) ─▶ connection
//! ```
//!
//! A request is read strictly, once, and what is behind it on the stream is never read as another one.

mod answer_body;
mod ask;
mod ending;
mod request_line;
mod rewound;
mod serve;

pub(crate) use answer_body::AnswerBody;
pub(crate) use ask::{Asked, ask};
pub use ending::Ending;
pub(crate) use rewound::Rewound;
pub(crate) use serve::{Broken, refuse, serve};
