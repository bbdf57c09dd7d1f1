//! The real kubectl.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cluster::binary;
use crate::netns::Netns;
use crate::process::{Finished, Launch};
use crate::scratch::scratch;

/// kubectl with a kubeconfig, a home folder of its own and, if set, a namespace.
#[derive(Debug, Clone)]
pub struct Kubectl {
    launch: Launch,
}

impl Kubectl {
    /// kubectl for this kubeconfig.
    ///
    /// # Errors
    /// When kubectl has not been built.
    pub fn new(kubeconfig: &Path) -> Result<Self> {
        Self::from(&binary("kubectl")?, kubeconfig)
    }

    /// An older kubectl (1.34) for this kubeconfig.
    ///
    /// # Errors
    /// When it has not been built.
    pub fn older(kubeconfig: &Path) -> Result<Self> {
        Self::from(&binary("kubectl-1.34")?, kubeconfig)
    }

    fn from(program: &Path, kubeconfig: &Path) -> Result<Self> {
        let home: PathBuf = scratch()?.folder("home")?;
        let launch = Launch::new(program)
            .env("KUBECONFIG", kubeconfig)
            .env("HOME", &home)
            .env("KUBECACHEDIR", home.join("cache"));
        Ok(Self { launch })
    }

    /// Asks this API server instead of the kubeconfig's.
    #[must_use]
    pub fn with_server(mut self, server: &str) -> Self {
        self.launch = self.launch.args(["--server", server]);
        self
    }

    /// Another program of those that `tests/cluster/build` makes, `kubectl-1.34` for example, with the same kubeconfig
    /// and environment.
    ///
    /// # Errors
    /// When it has not been built.
    pub fn of_program(self, name: &str) -> Result<Self> {
        Ok(self.at_path(binary(name)?))
    }

    /// The program at this path, with the same kubeconfig and environment.
    #[must_use]
    pub fn at_path(mut self, path: PathBuf) -> Self {
        self.launch = self.launch.program(path);
        self
    }

    /// Runs in this network namespace from now on.
    #[must_use]
    pub fn within(self, netns: &Netns) -> Self {
        self.inside(netns.path())
    }

    /// Runs in the network namespace bound to `path` from now on.
    #[must_use]
    pub fn inside(mut self, path: &Path) -> Self {
        self.launch = self.launch.in_netns(path);
        self
    }

    /// Sets an environment variable, which exec plugins inherit.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.launch = self.launch.env(key, value);
        self
    }

    /// A launch with these arguments, for a `watch` that goes on or for input.
    #[must_use]
    pub fn launch(&self, args: &[&str]) -> Launch {
        self.launch.clone().args(args)
    }

    /// Runs kubectl to its end, whatever its exit code.
    ///
    /// # Errors
    /// When it cannot be started or does not end.
    pub fn run(&self, args: &[&str]) -> Result<Finished> {
        self.launch(args).run()
    }

    /// Runs kubectl and returns what it printed.
    ///
    /// # Errors
    /// When its exit code is not 0, with all that it printed.
    pub fn ok(&self, args: &[&str]) -> Result<String> {
        self.run(args)?.ok()
    }

    /// Runs kubectl with `-o json` and returns the object.
    ///
    /// # Errors
    /// When its exit code is not 0, or it printed something else.
    pub fn json(&self, args: &[&str]) -> Result<Value> {
        let printed = self.launch(args).args(["-o", "json"]).run()?.ok()?;
        serde_json::from_str(&printed)
            .with_context(|| format!("kubectl {args:?} printed no JSON: {printed}"))
    }

    /// Applies manifests.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub fn apply(&self, yaml: &str) -> Result<String> {
        self.launch(&["apply", "-f", "-"]).input(yaml).run()?.ok()
    }
}
