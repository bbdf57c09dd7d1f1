//! `adit-connector` in its namespace.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{BOUND, Engineer, write};
use crate::cluster::{API_PORT, ApiServer};
use crate::netns::Host;
use crate::process::{Finished, Launch, Process};
use crate::scratch::scratch;

/// A connector, configured and perhaps running.
#[derive(Debug)]
pub struct Connector {
    process: Option<Process>,
    launch: Launch,
    folder: PathBuf,
    config: PathBuf,
}

impl Connector {
    /// Has `admin` add the cluster, and configures a connector with what that printed.
    ///
    /// # Errors
    /// When it is refused.
    pub fn add(admin: &Engineer, host: &Host, name: &str) -> Result<Self> {
        let folder = scratch()?.folder("connector")?;
        let out = folder.join("install");
        admin
            .adit(&["admin", "clusters", "add", name, "--out"])
            .arg(&out)
            .run()?
            .ok()?;
        let config = folder.join("connector.toml");
        let installed = fs::read_to_string(out.join("connector.toml")).context("connector.toml")?;
        let state = folder.join("state");
        write(
            &config,
            &format!(
                "state_dir = \"{}\"\n{installed}\n[ceiling]\ngroups = [\"adit-view\", \"adit-edit\"]\n",
                state.display()
            ),
        )?;
        let launch = admin.build().launch(host, "adit-connector", "connector")?;
        Ok(Self {
            process: None,
            launch,
            folder,
            config,
        })
    }

    /// Serves the API server with the account of this kubeconfig.
    ///
    /// # Errors
    /// When the configuration cannot be written.
    pub fn with_kubernetes(self, kubeconfig: &Path) -> Result<Self> {
        self.configure(&format!(
            "[kubernetes]\nkubeconfig_file = \"{}\"\n",
            kubeconfig.display()
        ))?;
        Ok(self)
    }

    /// Serves a TCP service.
    ///
    /// # Errors
    /// When the configuration cannot be written.
    pub fn with_service(self, name: &str, address: &str) -> Result<Self> {
        self.configure(&format!(
            "[[services]]\nname = \"{name}\"\naddress = \"{address}\"\n"
        ))?;
        Ok(self)
    }

    /// Serves a web application.
    ///
    /// # Errors
    /// When the configuration cannot be written.
    pub fn with_application(self, name: &str, address: &str) -> Result<Self> {
        self.configure(&format!(
            "[[services]]\nname = \"{name}\"\nkind = \"http\"\naddress = \"{address}\"\n"
        ))?;
        Ok(self)
    }

    /// Asks this API server of the cluster, in the place of the first.
    ///
    /// # Errors
    /// When no kubeconfig is configured, or the files cannot be written.
    pub fn with_api_server(self, server: &ApiServer) -> Result<Self> {
        let config = fs::read_to_string(&self.config)?;
        let before = config
            .lines()
            .find_map(|line| line.strip_prefix("kubeconfig_file = \"")?.strip_suffix('"'))
            .context("a kubeconfig")?;
        let own = self.folder.join("kubeconfig");
        let port = |port| format!("127.0.0.1:{port}");
        let text = fs::read_to_string(before)?.replace(&port(API_PORT), &port(server.port()));
        write(&own, &text)?;
        let config = config.replace(before, &own.display().to_string());
        write(&self.config, &config)?;
        Ok(self)
    }

    /// Another replica: the same cluster and configuration, with a state of its own.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn replica(&self) -> Result<Self> {
        let folder = scratch()?.folder("replica")?;
        let config = folder.join("connector.toml");
        let state = |of: &Path| format!("state_dir = \"{}\"", of.join("state").display());
        let text = fs::read_to_string(&self.config)?;
        write(
            &config,
            &text.replace(&state(&self.folder), &state(&folder)),
        )?;
        Ok(Self {
            process: None,
            launch: self.launch.clone(),
            folder,
            config,
        })
    }

    /// Appends to the configuration file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure(&self, lines: &str) -> Result<()> {
        let text = fs::read_to_string(&self.config)?;
        write(&self.config, &format!("{text}\n{lines}"))
    }

    /// Starts it and waits until a gateway has registered it.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(mut self) -> Result<Self> {
        self.run()?;
        Ok(self)
    }

    /// Starts it again after [`Connector::kill`].
    ///
    /// # Errors
    /// When it does not come up.
    pub fn run(&mut self) -> Result<()> {
        let mut process = self
            .launch
            .clone()
            .args(["run", "--config"])
            .arg(&self.config)
            .spawn()?;
        process.until_line("registered with a gateway", BOUND)?;
        self.process = Some(process);
        Ok(())
    }

    /// Kills it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process
            .take()
            .map_or(Ok(()), |mut process| process.kill())
    }

    /// Its process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("a connector that runs")
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it has not ended by then, or does not run.
    pub fn ended(&mut self, bound: Duration) -> Result<Finished> {
        let process = self.process.take().context("a connector that runs")?;
        process.finish(bound)
    }

    /// Its process id.
    ///
    /// # Errors
    /// When it does not run.
    pub fn id(&self) -> Result<u32> {
        self.process
            .as_ref()
            .map(Process::id)
            .context("the connector does not run")
    }

    /// Where its state and configuration lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it wrote to its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.as_ref().map_or_else(String::new, |process| {
            [process.stdout(), process.stderr()].concat()
        })
    }
}
