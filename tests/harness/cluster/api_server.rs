//! A further API server of a cluster, for a test that kills it while others go on with the first.

use anyhow::Result;

use super::START_BOUND;
use crate::kubectl::Kubectl;
use crate::process::{Launch, Process};

/// One that runs, or will.
#[derive(Debug)]
pub struct ApiServer {
    process: Option<Process>,
    launch: Launch,
    kubectl: Kubectl,
    port: u16,
}

impl ApiServer {
    /// Starts it; `kubectl` asks it.
    pub(super) fn start(launch: Launch, kubectl: Kubectl, port: u16) -> Result<Self> {
        let mut server = Self {
            process: None,
            launch,
            kubectl,
            port,
        };
        server.run()?;
        Ok(server)
    }

    /// Starts it again after [`ApiServer::kill`], and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn run(&mut self) -> Result<()> {
        let mut process = self.launch.spawn()?;
        process.until("API server is ready", START_BOUND, |_| {
            let ready = self.kubectl.run(&["get", "--raw", "/readyz"])?;
            Ok((ready.code == Some(0)).then_some(()))
        })?;
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

    /// Where it listens, on 127.0.0.1 of each namespace that was [attached](super::Cluster::attach_to) to it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}
