//! Memory of a process.

use std::fs;

use anyhow::{Context, Result};

/// Bytes of memory that process `id` has in use.
///
/// # Errors
/// When there is no such process.
pub fn resident(id: u32) -> Result<f64> {
    let path = format!("/proc/{id}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse().ok())
        .context("VmRSS")?;
    Ok(kib * 1024.0)
}
