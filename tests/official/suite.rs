//! One run of the slice.

use std::path::Path;
use std::time::Duration;

use adit_harness::cluster::binary;
use adit_harness::kubectl::Kubectl;
use adit_harness::scratch::scratch;
use adit_harness::wait;
use anyhow::{Context, Result};
use tokio::time::Instant;

use crate::report::{self, Specs};

/// The specs about kubectl's streams and what people type (Ginkgo's regular expressions).
pub(crate) const FOCUS: &str = r"\[sig-cli\] Kubectl (client|Port forwarding)|over websockets";
/// The first two want images that only a registry has.
const SKIP: &str = r"Update Demo|Guestbook|in-cluster config|\[Slow\]|\[Serial\]|\[Disruptive\]";
/// Which registry each family of images is of; all images of the tests are the node's own.
const IMAGES: &str =
    "gcRegistry: localhost\npromoterE2eRegistry: localhost\nbuildImageRegistry: localhost\n";
/// How often something is said of a run that goes on.
const PROGRESS: Duration = Duration::from_secs(30);
/// How long the suite may take to end after its last spec.
const ENDING: Duration = Duration::from_secs(30);

/// What is run.
pub(crate) struct Slice<'a> {
    /// The folder of Kubernetes' sources.
    pub(crate) source: &'a Path,
    /// Which specs.
    pub(crate) focus: &'a str,
}

impl Slice<'_> {
    /// Runs the slice with the kubeconfig and in the network namespace of `kubectl`.
    ///
    /// # Errors
    /// When the suite does not run. A spec that fails is none.
    pub(crate) fn run(&self, label: &str, kubectl: Kubectl) -> Result<Specs> {
        let folder = scratch()?.folder("official")?;
        let (images, report) = (folder.join("images.yaml"), folder.join("report.json"));
        std::fs::write(&images, IMAGES)?;
        let suite = kubectl
            .of_program("e2e.test")?
            .env("KUBE_TEST_REPO_LIST", &images.display().to_string())
            .launch(&[
                "--provider=local",
                "--num-nodes=1",
                "--allowed-not-ready-nodes=0",
                "--minStartupPods=0",
                "--ginkgo.seed=1",
                "--ginkgo.no-color",
            ])
            .arg(format!("--kubectl-path={}", binary("kubectl")?.display()))
            .arg(format!("--repo-root={}", self.source.display()))
            .arg(format!("--ginkgo.focus={}", self.focus))
            .arg(format!("--ginkgo.skip={SKIP}"))
            .arg(format!("--ginkgo.json-report={}", report.display()));
        let begun = Instant::now();
        let mut process = suite.spawn()?;
        while process.ended()?.is_none() {
            wait::last(PROGRESS);
            eprintln!("{label}: {} s", begun.elapsed().as_secs());
        }
        let finished = process.finish(ENDING)?;
        let json = std::fs::read(&report);
        let json = json.with_context(|| format!("{label}: no report\n{}", finished.stderr))?;
        let specs = report::read(&json)?;
        eprintln!(
            "{label}: {} specs in {} s",
            specs.len(),
            begun.elapsed().as_secs()
        );
        Ok(specs)
    }
}
