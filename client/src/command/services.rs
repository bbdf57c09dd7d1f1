//! `adit services`: the services in clusters that you may use.

use super::{get, output};
use crate::cli::Global;
use crate::exit::Failure;

/// Lists them.
///
/// # Errors
/// What the gateway said.
pub async fn run(global: &Global) -> Result<(), Failure> {
    let answer = get(global, "/v1/services").await?;
    let columns = [
        ("CLUSTER", "/cluster"),
        ("NAME", "/name"),
        ("KIND", "/kind"),
        ("ONLINE", "/online"),
    ];
    output::list(global.json, &answer, "/services", &columns)
}
