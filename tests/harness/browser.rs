//! A real Chromium with a virtual authenticator, driven by chromedriver, and the program that `BROWSER` names.
//!
//! Everything blocks the calling thread, so that it can be used beside real processes. In a namespace both programs and
//! the connections to chromedriver are inside it.

mod desk;
mod opener;
mod tab;

pub use desk::Desk;
pub use opener::Opener;
pub use tab::Seen;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use thirtyfour::{CapabilitiesHelper, ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};
use tokio::runtime::Runtime;

use crate::netns::Netns;
use crate::process::{Launch, Process};
use crate::scratch::scratch;

/// How long chromedriver and Chromium may take to start, on a busy machine with cold caches.
const START_BOUND: Duration = Duration::from_mins(1);
/// How often chromedriver is started.
const STARTS: usize = 4;
/// What Chromium is started with: as root, without a screen, without talking to anybody by itself.
const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=900,1000",
];

/// A browser with one window.
#[derive(Debug)]
pub struct Browser {
    /// `None` only while it is dropped.
    driver: Option<WebDriver>,
    runtime: Runtime,
    /// Ends after the browser, which is asked to quit first.
    _chromedriver: Process,
}

/// A virtual authenticator of a browser, which verifies its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticator(String);

impl Browser {
    /// Starts a browser beside the test process.
    ///
    /// # Errors
    /// When chromedriver or Chromium is missing or does not start.
    pub fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        Self::launch(Launch::new("chromedriver"), runtime)
    }

    /// Starts a browser inside a namespace.
    ///
    /// # Errors
    /// As [`Browser::start`].
    pub fn start_in(netns: &Netns) -> Result<Self> {
        Self::launch(netns.launch("chromedriver"), netns.runtime()?)
    }

    fn launch(chromedriver: Launch, runtime: Runtime) -> Result<Self> {
        let home = scratch()?.folder("chromium")?;
        let (chromedriver, port) = start(&chromedriver.arg("--port=0").env("HOME", &home))?;
        let mut wanted = DesiredCapabilities::chrome();
        for argument in ARGUMENTS {
            wanted.add_arg(argument)?;
        }
        wanted.add_arg(&format!(
            "--user-data-dir={}",
            home.join("profile").display()
        ))?;
        wanted.accept_insecure_certs(true)?;
        let address = format!("http://127.0.0.1:{port}");
        let driver = on(
            &runtime,
            async move { WebDriver::new(address, wanted).await },
        )
        .context("start Chromium")?;
        Ok(Self {
            driver: Some(driver),
            runtime,
            _chromedriver: chromedriver,
        })
    }

    /// Plugs a virtual authenticator in, which verifies its user without asking.
    ///
    /// # Errors
    /// When Chromium refuses.
    pub fn plug_in(&self) -> Result<Authenticator> {
        self.devtools("WebAuthn.enable", json!({}))?;
        self.add("internal")
    }

    /// Plugs a further one in, as a key on USB, once [`Browser::plug_in`] was called.
    ///
    /// # Errors
    /// When Chromium refuses.
    pub fn plug_in_key(&self) -> Result<Authenticator> {
        self.add("usb")
    }

    fn add(&self, transport: &str) -> Result<Authenticator> {
        let options = json!({ "options": {
            "protocol": "ctap2",
            "transport": transport,
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserVerified": true,
            "automaticPresenceSimulation": true,
        }});
        let made = self.devtools("WebAuthn.addVirtualAuthenticator", options)?;
        let id = made.get("authenticatorId").and_then(Value::as_str);
        Ok(Authenticator(
            id.context("an authenticator's id")?.to_owned(),
        ))
    }

    /// Sets whether an authenticator succeeds in verifying its user.
    ///
    /// # Errors
    /// When Chromium refuses.
    pub fn verifies_user(&self, authenticator: &Authenticator, verifies: bool) -> Result<()> {
        let set = json!({ "authenticatorId": authenticator.0, "isUserVerified": verifies });
        self.devtools("WebAuthn.setUserVerified", set).map(drop)
    }

    /// Sets whether an authenticator is touched when it is asked. Of several, only one should be.
    ///
    /// # Errors
    /// When Chromium refuses.
    pub fn is_touched(&self, authenticator: &Authenticator, touched: bool) -> Result<()> {
        let set = json!({ "authenticatorId": authenticator.0, "enabled": touched });
        self.devtools("WebAuthn.setAutomaticPresenceSimulation", set)
            .map(drop)
    }

    /// The credentials that an authenticator holds, as the DevTools protocol shows them.
    ///
    /// # Errors
    /// When Chromium refuses.
    pub fn credentials(&self, authenticator: &Authenticator) -> Result<Vec<Value>> {
        let asked = json!({ "authenticatorId": authenticator.0 });
        let held = self.devtools("WebAuthn.getCredentials", asked)?;
        let list = held.get("credentials").and_then(Value::as_array);
        list.cloned().context("a list of credentials")
    }

    /// Gives an authenticator a credential that another one holds, as a key is carried from one machine to another.
    ///
    /// # Errors
    /// When Chromium refuses.
    pub fn carry(&self, authenticator: &Authenticator, credential: &Value) -> Result<()> {
        let add = json!({ "authenticatorId": authenticator.0, "credential": credential });
        self.devtools("WebAuthn.addCredential", add).map(drop)
    }

    /// Sets whether pages are told that the user prefers dark colours.
    ///
    /// # Errors
    /// When Chromium refuses.
    pub fn prefers_dark(&self, dark: bool) -> Result<()> {
        let value = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.devtools("Emulation.setEmulatedMedia", features)
            .map(drop)
    }

    /// Writes a picture of the window to `path`.
    ///
    /// # Errors
    /// When there is none or it cannot be written.
    pub fn screenshot(&self, path: &Path) -> Result<()> {
        let path = path.to_owned();
        self.with(async move |driver| driver.screenshot(&path).await)
    }

    /// Sends one command of the DevTools protocol.
    ///
    /// # Errors
    /// When Chromium refuses.
    pub fn devtools(&self, method: &'static str, parameters: Value) -> Result<Value> {
        self.with(async move |driver| driver.cdp().send_raw(method, parameters).await)
            .context(method)
    }

    /// Runs work with the driver on the runtime's own thread, which may be inside a namespace.
    fn with<T, E, W, F>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        E: Into<anyhow::Error> + Send + 'static,
        W: FnOnce(WebDriver) -> F,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let driver = self.driver.clone().context("a browser that is open")?;
        on(&self.runtime, work(driver))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            // It may have crashed; chromedriver and the scratch folder's end clean up after it.
            let _ = on(&self.runtime, driver.quit());
        }
    }
}

/// Starts chromedriver. It ends if the port that it was given on IPv6 is somebody else's on IPv4.
fn start(launch: &Launch) -> Result<(Process, u16)> {
    let mut started = listening(launch);
    for _ in 1..STARTS {
        if started.is_ok() {
            break;
        }
        started = listening(launch);
    }
    started
}

fn listening(launch: &Launch) -> Result<(Process, u16)> {
    let mut chromedriver = launch.clone().spawn()?;
    let line = chromedriver.until_line("started successfully on port", START_BOUND)?;
    let port = line
        .rsplit(' ')
        .next()
        .and_then(|port| port.trim_end_matches('.').parse().ok())
        .with_context(|| format!("a port in {line:?}"))?;
    Ok((chromedriver, port))
}

fn on<T, E>(
    runtime: &Runtime,
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T>
where
    T: Send + 'static,
    E: Into<anyhow::Error> + Send + 'static,
{
    let task = runtime.spawn(work);
    runtime.block_on(task)?.map_err(Into::into)
}
