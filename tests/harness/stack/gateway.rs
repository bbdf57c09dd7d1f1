//! `adit-gateway` in its namespace.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{BOUND, write};
use crate::built::Build;
use crate::netns::Host;
use crate::process::{Launch, Process};
use crate::scratch::scratch;

/// The port of UDP and TCP, on loopback of the gateway's namespace and on its address.
const PORT: u16 = 8443;

/// What a test may want otherwise than the defaults.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// Further lines of the configuration file.
    pub extra: String,
    /// Whether the software authenticator is accepted.
    pub software: bool,
    /// Which build runs.
    pub build: Build,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            extra: String::new(),
            software: true,
            build: Build::default(),
        }
    }
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    process: Option<Process>,
    launch: Launch,
    config: PathBuf,
    folder: PathBuf,
    invitation: String,
    address: String,
    ip: Ipv4Addr,
}

impl Gateway {
    /// Initialises and starts a gateway with `http://localhost` pages, which [`Gateway::reach`] opens to a host.
    ///
    /// It listens on loopback alone; its namespace passes on what arrives for its address.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(host: &Host, options: &GatewayOptions) -> Result<Self> {
        let folder = scratch()?.folder("gateway")?;
        let config = folder.join("gateway.toml");
        let address = format!("{}:{PORT}", host.address());
        pass_on(host)?;
        write(
            &config,
            &format!(
                "public_url = \"http://localhost:{PORT}\"\nlisten = \"127.0.0.1:{PORT}\"\nadvertise = \"{address}\"\n\
                 state_dir = \"{}\"\ninsecure_software_authenticator = {}\n{}\n",
                folder.join("state").display(),
                options.software,
                options.extra,
            ),
        )?;
        let launch = options.build.launch(host, "adit-gateway", "gateway")?;
        let invitation = launch
            .clone()
            .args(["init", "--config"])
            .arg(&config)
            .run()?
            .ok()?;
        let mut gateway = Self {
            process: None,
            launch,
            config,
            folder,
            invitation: invitation.trim().to_owned(),
            address,
            ip: host.address(),
        };
        gateway.run()?;
        Ok(gateway)
    }

    /// Lets the programs on `host` reach the pages at `http://localhost`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn reach(&self, host: &Host) -> Result<()> {
        host.netns()
            .forward_loopback(PORT, SocketAddrV4::new(self.ip, PORT))
    }

    /// Starts it again after [`Gateway::kill`] or [`Gateway::stop`].
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
        process.until_line("the gateway listens", BOUND)?;
        self.process = Some(process);
        Ok(())
    }

    /// Ends it in order, with its database closed.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<()> {
        self.process
            .take()
            .map_or(Ok(()), |process| process.stop()?.ok().map(drop))
    }

    /// Kills it without a word to anybody.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process
            .take()
            .map_or(Ok(()), |mut process| process.kill())
    }

    /// Its process id.
    ///
    /// # Errors
    /// When it does not run.
    pub fn id(&self) -> Result<u32> {
        self.process
            .as_ref()
            .map(Process::id)
            .context("the gateway does not run")
    }

    /// The text of the first invitation.
    #[must_use]
    pub fn invitation(&self) -> &str {
        &self.invitation
    }

    /// Host and port that parties dial.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
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

/// What arrives for the gateway's address goes to its loopback address, where it may serve without TLS.
fn pass_on(host: &Host) -> Result<()> {
    let netns = host.netns();
    netns.set_parameter("net/ipv4/conf/all/route_localnet", "1")?;
    for protocol in ["tcp", "udp"] {
        let rule = format!(
            "-t nat -A PREROUTING -d {} -p {protocol} --dport {PORT} -j DNAT --to-destination 127.0.0.1:{PORT}",
            host.address()
        );
        netns.iptables(rule.split(' '))?;
    }
    Ok(())
}
