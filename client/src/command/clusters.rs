//! `adit clusters`: the clusters that you may use.

use super::{get, output};
use crate::cli::Global;
use crate::exit::Failure;

/// Lists them.
///
/// # Errors
/// What the gateway said.
pub async fn run(global: &Global) -> Result<(), Failure> {
    let answer = get(global, "/v1/clusters").await?;
    let columns = [
        ("NAME", "/name"),
        ("ONLINE", "/online"),
        ("KUBERNETES", "/kubernetes"),
    ];
    output::list(global.json, &answer, "/clusters", &columns)
}
