//! What Ginkgo reports of a run (<https://onsi.github.io/ginkgo/#generating-machine-readable-reports>).

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// How a spec ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Ginkgo's word, `passed` for example.
    pub(crate) state: String,
    /// Why it did not pass.
    pub(crate) message: String,
}

/// The specs that ran, by their whole name.
pub(crate) type Specs = BTreeMap<String, Outcome>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    spec_reports: Option<Vec<Spec>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    container_hierarchy_texts: Option<Vec<String>>,
    leaf_node_type: String,
    leaf_node_text: String,
    state: String,
    #[serde(default)]
    num_attempts: u32,
    failure: Option<Failure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    #[serde(default)]
    message: String,
}

/// Reads the report of one run. Specs that the run left out are not in it.
///
/// # Errors
/// When it is no report, or of no spec.
pub(crate) fn read(json: &[u8]) -> Result<Specs> {
    let reports: Vec<Report> = serde_json::from_slice(json).context("the suite's report")?;
    let specs: Specs = reports
        .into_iter()
        .filter_map(|report| report.spec_reports)
        .flatten()
        .filter(|spec| spec.leaf_node_type == "It" && spec.num_attempts > 0)
        .map(Spec::named)
        .collect();
    ensure!(!specs.is_empty(), "the suite ran no spec");
    Ok(specs)
}

impl Spec {
    fn named(self) -> (String, Outcome) {
        let mut words = self.container_hierarchy_texts.unwrap_or_default();
        words.push(self.leaf_node_text);
        let message = self.failure.map(|failure| failure.message);
        let outcome = Outcome {
            state: self.state,
            message: message.unwrap_or_default(),
        };
        (words.join(" "), outcome)
    }
}
