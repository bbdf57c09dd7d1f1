//! CPU time of a process.

use std::fs;

use anyhow::{Context, Result};

/// Seconds of CPU that all threads of process `id` have used, from the scheduler's nanoseconds.
pub(crate) fn seconds(id: u32) -> Result<f64> {
    let mut total = 0.0;
    for task in fs::read_dir(format!("/proc/{id}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        let nanos: f64 = text
            .split(' ')
            .next()
            .and_then(|field| field.parse().ok())
            .context("schedstat")?;
        total += nanos / 1e9;
    }
    Ok(total)
}

/// Milliseconds that process `id` has used since it had used `before` seconds, for each of `count`.
pub(crate) fn ms_each(id: u32, before: f64, count: usize) -> Result<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
    let count = count as f64;
    Ok((seconds(id)? - before) * 1e3 / count)
}
