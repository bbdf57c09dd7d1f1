//! `adit doctor`: what works and what does not, and what repairs it.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::output;
use crate::cli::Global;
use crate::doctor::{self, Finding, Verdict};
use crate::exit::Failure;

/// How to look.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Also write the findings, versions and the agent's state into FILE, for whoever helps; no secrets are in it
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
}

impl DoctorArgs {
    /// Looks at everything. Exits with 1 when something does not work.
    ///
    /// # Errors
    /// How many things do not work.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let findings = doctor::examine(global).await?;
        if let Some(file) = &self.bundle {
            bundle(global, file, &findings).await?;
        }
        if global.json {
            output::print_json(&json!(findings))?;
        } else {
            output::print(&shown(&findings))?;
        }
        let bad = findings
            .iter()
            .filter(|finding| finding.verdict == Verdict::Bad)
            .count();
        if bad == 0 {
            return Ok(());
        }
        let noun = if bad == 1 { "check" } else { "checks" };
        Err(Failure::new(format!("{bad} {noun} failed")))
    }
}

/// One line a finding, and what repairs it below.
fn shown(findings: &[Finding]) -> String {
    let mut lines = Vec::with_capacity(findings.len());
    for finding in findings {
        let mark = match finding.verdict {
            Verdict::Good => "ok",
            Verdict::Warning => "warning",
            Verdict::Bad => "FAILED",
            Verdict::Skipped => "skipped",
        };
        let detail = output::cell(Some(&json!(finding.detail)));
        lines.push(format!("{mark:8} {:11} {detail}", finding.check));
        if let Some(repair) = &finding.repair {
            let repair = output::cell(Some(&json!(repair)));
            lines.push(format!("{:20} repair: {repair}", ""));
        }
    }
    lines.join("\n")
}

/// Writes what helps others to help. The agent's state holds names, numbers and addresses, and no key or token.
async fn bundle(global: &Global, file: &PathBuf, findings: &[Finding]) -> Result<(), Failure> {
    let seat = global.ask("status", Value::Null).await;
    let bundle = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "findings": findings,
        "agent": seat.unwrap_or(Value::Null),
    });
    let text = serde_json::to_string_pretty(&bundle).map_err(Failure::new)?;
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(file)
        .and_then(|mut new| new.write_all(text.as_bytes()));
    written.map_err(|error| {
        Failure::new(format!("cannot write {}: {error}", file.display()))
            .repaired_by("name a file that does not exist yet")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repair_stands_below_its_finding() {
        let finding = |verdict, repair: Option<&str>| Finding {
            check: "dns",
            verdict,
            detail: "gw\u{1b}[2J:443".to_owned(),
            repair: repair.map(str::to_owned),
        };
        let text = shown(&[
            finding(Verdict::Good, None),
            finding(Verdict::Bad, Some("check the network")),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].starts_with("ok ") && lines[1].starts_with("FAILED "));
        assert!(lines[2].trim() == "repair: check the network");
        assert!(!text.contains('\u{1b}'));
    }
}
