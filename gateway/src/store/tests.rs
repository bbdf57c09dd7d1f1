//! The same tests on SQLite and on PostgreSQL.

mod bench;
mod columns;
mod logs;
mod opening;
mod sign_ins_and_sessions;

pub(crate) use bench::{Bench, on_both};
