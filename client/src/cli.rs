//! The command line: what may be typed.

use clap::{Args, Parser, Subcommand};

use crate::command;
use crate::exit::Failure;
use crate::paths::Paths;
use crate::profile::{self, ProfileName};

/// Access to Kubernetes clusters and the services in them, with a passkey and without a VPN.
#[derive(Debug, Parser)]
#[command(name = "adit", version, max_term_width = 100)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// The profile to use, where there are several
    #[arg(long, global = true, env = "ADIT_PROFILE", value_name = "NAME")]
    pub profile: Option<ProfileName>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
}

impl Global {
    /// The client's directories.
    ///
    /// # Errors
    /// When there is no place for them.
    pub fn paths(&self) -> Result<Paths, Failure> {
        Paths::from_env().map_err(|error| {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            Failure::new(format!("{error}{}", source.unwrap_or_default()))
        })
    }

    /// The profile to use.
    ///
    /// # Errors
    /// When this machine is not enrolled, or it is not clear with which one.
    pub fn chosen_profile(&self) -> Result<ProfileName, Failure> {
        profile::choose(&self.paths()?, self.profile.as_ref()).map_err(Failure::from)
    }

    /// Makes one call to the agent for the chosen profile.
    ///
    /// # Errors
    /// What the agent said.
    pub async fn ask(
        &self,
        name: &str,
        body: serde_json::Value,
    ) -> Result<serde_json::Value, Failure> {
        crate::agent::ask(&self.paths()?, &self.chosen_profile()?, name, body).await
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Enrol this machine by an invitation
    #[command(alias = "enroll")]
    Enrol(command::enrol::EnrolArgs),
    /// Sign in with your passkey
    Login(command::login::LoginArgs),
    /// End the sign-in on this machine
    Logout,
    /// Show what works and what does not
    Status,
    /// Show who you are
    Whoami,
    /// List the clusters that you may use
    Clusters,
    /// List the services that you may use
    Services,
    /// List your sessions, or end one
    Sessions(command::sessions::SessionsArgs),
    /// List your devices
    Devices,
    /// List, add or remove your passkeys
    #[command(subcommand)]
    Passkeys(command::passkeys::PasskeysCommand),
    /// Forward local ports to services in clusters
    Forward(command::forward::ForwardArgs),
    /// Open a web application of a cluster in the browser
    Open(command::open::OpenArgs),
    /// Connect stdin and stdout to a service in a cluster
    Connect(command::connect::ConnectArgs),
    /// Look for what does not work, and say what repairs it
    Doctor(command::doctor::DoctorArgs),
    /// Measure the way to a cluster
    Ping(command::ping::PingArgs),
    /// Write kubeconfig contexts for the clusters that you may use
    Kube(command::kube::KubeArgs),
    /// Show what would be decided about the requests of a kubectl command, and by which rules
    Explain(command::explain::ExplainArgs),
    /// Administer users, devices, clusters and policy
    #[command(subcommand)]
    Admin(Box<command::admin::AdminCommand>),
    /// Send a request to the gateway's API
    Api(command::api::ApiArgs),
    /// List, choose or remove profiles: one for each gateway
    #[command(subcommand)]
    Profile(command::profile::ProfileCommand),
    /// Run, stop or look at the background process
    #[command(subcommand)]
    Agent(command::agent::AgentCommand),
    /// Print a script that completes commands in a shell
    Completions(command::completions::CompletionsArgs),
    /// Show the version
    Version,
    /// Make the manual pages
    #[command(hide = true)]
    Man(command::man::ManArgs),
    /// What the scripts of `completions` ask
    #[command(hide = true)]
    Complete(command::complete::CompleteArgs),
    /// The exec plugin of kubeconfig files
    #[command(hide = true)]
    Credential(command::credential::CredentialArgs),
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// A failure with its exit code.
    pub async fn run(self) -> Result<(), Failure> {
        let global = &self.global;
        match self.command {
            Command::Enrol(args) => args.run(global).await,
            Command::Kube(args) => args.run(global).await,
            Command::Explain(args) => args.run(global).await,
            Command::Admin(admin) => admin.run(global).await,
            Command::Login(args) => args.run(global).await,
            Command::Logout => command::login::logout(global).await,
            Command::Status => command::status::run(global).await,
            Command::Whoami => command::whoami::run(global).await,
            Command::Clusters => command::clusters::run(global).await,
            Command::Services => command::services::run(global).await,
            Command::Sessions(args) => args.run(global).await,
            Command::Devices => command::devices::run(global).await,
            Command::Passkeys(passkeys) => passkeys.run(global).await,
            Command::Forward(args) => args.run(global).await,
            Command::Open(args) => args.run(global).await,
            Command::Connect(args) => args.run(global).await,
            Command::Doctor(args) => args.run(global).await,
            Command::Ping(args) => args.run(global).await,
            Command::Api(args) => args.run(global).await,
            Command::Profile(profile) => profile.run(global).await,
            Command::Agent(agent) => agent.run(global).await,
            Command::Completions(args) => args.run(),
            Command::Man(args) => args.run(),
            Command::Complete(args) => args.run(global).await,
            Command::Version => command::version::run(global).await,
            Command::Credential(args) => args.run(global).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_hides_the_plugin() {
        Cli::command().debug_assert();
        let help = Cli::command().render_long_help().to_string();
        assert!(
            help.contains("clusters") && !help.contains("credential"),
            "{help}"
        );
    }
}
