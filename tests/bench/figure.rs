//! Figures: medians and ratios of one run.

use std::time::Duration;

use serde::Serialize;

/// One line of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    /// Its stable name.
    pub(crate) name: &'static str,
    /// Median of the runs.
    pub(crate) value: f64,
    /// Unit of value and baseline.
    pub(crate) unit: &'static str,
    /// Median of the baseline, measured in the same run.
    pub(crate) baseline: Option<f64>,
    /// Median of the ratios of single rounds.
    pub(crate) ratio: Option<f64>,
    /// How many rounds.
    pub(crate) runs: usize,
}

impl Figure {
    /// A figure against a baseline: one pair (value, baseline) a round.
    pub(crate) fn against(name: &'static str, unit: &'static str, rounds: &[(f64, f64)]) -> Self {
        Self {
            name,
            value: median(rounds.iter().map(|round| round.0)),
            unit,
            baseline: Some(median(rounds.iter().map(|round| round.1))),
            ratio: Some(median(rounds.iter().map(|round| round.0 / round.1))),
            runs: rounds.len(),
        }
    }

    /// A figure of its own.
    pub(crate) fn plain(name: &'static str, unit: &'static str, value: f64, runs: usize) -> Self {
        Self {
            name,
            value,
            unit,
            baseline: None,
            ratio: None,
            runs,
        }
    }
}

/// The middle of the values; zero of none.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    percentile(values, 50)
}

/// The value below which `percent` of the values lie.
pub(crate) fn percentile(values: impl IntoIterator<Item = f64>, percent: usize) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let at = values.len() * percent / 100;
    values
        .get(at.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// Milliseconds as a number.
pub(crate) fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// Prints the table.
pub(crate) fn print(figures: &[Figure]) {
    println!(
        "{:<26} {:>12} {:<8} {:>12} {:>8} {:>5}",
        "name", "value", "unit", "baseline", "ratio", "runs"
    );
    for figure in figures {
        let shown = |value: Option<f64>| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
        };
        println!(
            "{:<26} {:>12.3} {:<8} {:>12} {:>8} {:>5}",
            figure.name,
            figure.value,
            figure.unit,
            shown(figure.baseline),
            shown(figure.ratio),
            figure.runs
        );
    }
}
