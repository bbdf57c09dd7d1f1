//! `adit devices`: your devices.

use super::{get, output};
use crate::cli::Global;
use crate::exit::Failure;

/// Lists them.
///
/// # Errors
/// What the gateway said.
pub async fn run(global: &Global) -> Result<(), Failure> {
    let answer = get(global, "/v1/devices").await?;
    let columns = [
        ("ID", "/id"),
        ("NAME", "/name"),
        ("TIER", "/tier"),
        ("STATE", "/state"),
    ];
    output::list(global.json, &answer, "/devices", &columns)
}
