//! An engineer's machine: `adit` with a home of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Gateway, write};
use crate::built::Build;
use crate::kubectl::Kubectl;
use crate::netns::Host;
use crate::process::{Finished, Launch};
use crate::scratch::scratch;

/// One machine with one profile.
#[derive(Debug)]
pub struct Engineer {
    launch: Launch,
    folder: PathBuf,
    netns: PathBuf,
    /// What chooses the authenticator, for `adit` and for the plugin that kubectl starts.
    authenticator: Vec<(&'static str, String)>,
    build: Build,
}

impl Engineer {
    /// A machine that uses the software authenticator until [`Engineer::with_browser`].
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn new(name: &str, host: &Host) -> Result<Self> {
        Self::of_build(&Build::default(), name, host)
    }

    /// A machine with the programs of this build.
    ///
    /// # Errors
    /// As [`Engineer::new`].
    pub fn of_build(build: &Build, name: &str, host: &Host) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let label: String = name
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        let folder = scratch()?.folder(&label)?;
        for sub in ["state", "run", "config"] {
            let path = folder.join(sub);
            std::fs::create_dir(&path)?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
        }
        let launch = build
            .launch(host, "adit", &label)?
            .env("HOME", &folder)
            .env("XDG_STATE_HOME", folder.join("state"))
            .env("XDG_RUNTIME_DIR", folder.join("run"))
            .env("XDG_CONFIG_HOME", folder.join("config"));
        let made = Self {
            launch,
            folder,
            netns: host.netns().path().to_owned(),
            authenticator: Vec::new(),
            build: build.clone(),
        };
        Ok(made.with_authenticator(vec![("ADIT_AUTHENTICATOR", "software".to_owned())]))
    }

    fn with_authenticator(mut self, chosen: Vec<(&'static str, String)>) -> Self {
        for (key, value) in &chosen {
            self.launch = self.launch.clone().env(key, value);
        }
        self.authenticator = chosen;
        self
    }

    /// Uses a real browser: `program` is called with the path of a redirect file.
    #[must_use]
    pub fn with_browser(self, program: &Path) -> Self {
        self.with_authenticator(vec![
            ("ADIT_AUTHENTICATOR", "browser".to_owned()),
            ("BROWSER", program.display().to_string()),
        ])
    }

    /// A launch of `adit` with these arguments.
    #[must_use]
    pub fn adit(&self, args: &[&str]) -> Launch {
        self.launch.clone().args(args)
    }

    /// Runs `adit` to its end, whatever its exit code.
    ///
    /// # Errors
    /// When it cannot be started or does not end.
    pub fn run(&self, args: &[&str]) -> Result<Finished> {
        self.adit(args).run()
    }

    /// Runs `adit` and returns what it printed.
    ///
    /// # Errors
    /// When its exit code is not 0.
    pub fn ok(&self, args: &[&str]) -> Result<String> {
        self.run(args)?.ok()
    }

    /// Runs `adit` with `--json`.
    ///
    /// # Errors
    /// When its exit code is not 0, or it printed something else.
    pub fn json(&self, args: &[&str]) -> Result<Value> {
        let printed = self.adit(args).arg("--json").run()?.ok()?;
        serde_json::from_str(&printed).with_context(|| format!("adit {args:?} printed: {printed}"))
    }

    /// Enrols as the first admin, which makes genesis.
    ///
    /// # Errors
    /// When a step is refused.
    pub fn enrol_first(&self, gateway: &Gateway, name: &str) -> Result<String> {
        let recovery = self.folder.join("recovery");
        self.enrolment(gateway.invitation())?
            .args(["--name", name, "--recovery-key"])
            .arg(recovery)
            .run()?
            .ok()
    }

    /// Enrols with an invitation.
    ///
    /// # Errors
    /// When a step is refused.
    pub fn enrol(&self, invitation: &str) -> Result<String> {
        self.enrolment(invitation)?.run()?.ok()
    }

    /// `adit enrol` with the invitation in a file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn enrolment(&self, invitation: &str) -> Result<Launch> {
        let file = self.folder.join("invitation");
        write(&file, invitation)?;
        Ok(self.adit(&["enrol", "--file"]).arg(file))
    }

    /// Invites a user of these groups and returns the invitation's text.
    ///
    /// # Errors
    /// When it is refused.
    pub fn invite(&self, name: &str, groups: &[&str]) -> Result<String> {
        let groups = groups.join(",");
        self.json(&["admin", "users", "invite", name, "--groups", &groups])?
            .get("invitation")
            .and_then(Value::as_str)
            .map(ToOwned::to_owned)
            .context("an invitation in the answer")
    }

    /// `adit admin users revoke NAME`.
    #[must_use]
    pub fn revoking(&self, name: &str) -> Launch {
        self.adit(&["admin", "users", "revoke", name, "--reason", "left"])
    }

    /// Revokes a user.
    ///
    /// # Errors
    /// When it is refused.
    pub fn revoke(&self, name: &str) -> Result<String> {
        self.revoking(name).run()?.ok()
    }

    /// Applies a policy.
    ///
    /// # Errors
    /// When it is refused.
    pub fn apply_policy(&self, text: &str) -> Result<String> {
        let file = self
            .folder
            .join(format!("policy-{}.cedar", scratch()?.number()));
        write(&file, text)?;
        self.adit(&["admin", "policy", "apply"])
            .arg(file)
            .run()?
            .ok()
    }

    /// Writes the kubeconfig and returns kubectl with the context of `cluster`.
    ///
    /// # Errors
    /// When `adit kube` is refused.
    pub fn kubectl(&self, cluster: &str) -> Result<Kubectl> {
        let kubeconfig = self.folder.join("kubeconfig");
        self.adit(&["kube", cluster, "--kubeconfig"])
            .arg(&kubeconfig)
            .run()?
            .ok()?;
        let context = format!("adit-{cluster}");
        Kubectl::new(&kubeconfig)?
            .inside(&self.netns)
            .ok(&["config", "use-context", &context])?;
        self.kubectl_as_written()
    }

    /// kubectl with the kubeconfig that [`Engineer::kubectl`] wrote.
    ///
    /// # Errors
    /// When kubectl has not been built.
    pub fn kubectl_as_written(&self) -> Result<Kubectl> {
        let kubeconfig = self.folder.join("kubeconfig");
        let home = self.folder.display().to_string();
        let mut kubectl = Kubectl::new(&kubeconfig)?.inside(&self.netns);
        for (key, sub) in [
            ("XDG_STATE_HOME", "state"),
            ("XDG_RUNTIME_DIR", "run"),
            ("XDG_CONFIG_HOME", "config"),
        ] {
            kubectl = kubectl.env(key, &format!("{home}/{sub}"));
        }
        for (key, value) in &self.authenticator {
            kubectl = kubectl.env(key, value);
        }
        Ok(kubectl)
    }

    /// The process id of its agent.
    ///
    /// # Errors
    /// When it does not run.
    pub fn agent_id(&self) -> Result<u32> {
        let status = self.json(&["agent", "status"])?;
        status
            .get("pid")
            .and_then(Value::as_u64)
            .and_then(|id| id.try_into().ok())
            .with_context(|| format!("the agent's process id in {status}"))
    }

    /// What its agent wrote to its log so far.
    #[must_use]
    pub fn agent_log(&self) -> String {
        std::fs::read_to_string(self.folder.join("run/adit/agent.log")).unwrap_or_default()
    }

    /// The build of its programs.
    #[must_use]
    pub fn build(&self) -> &Build {
        &self.build
    }

    /// Where its state lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Engineer {
    fn drop(&mut self) {
        // The reaper ends what this does not.
        let _ = self.run(&["agent", "stop"]);
    }
}
