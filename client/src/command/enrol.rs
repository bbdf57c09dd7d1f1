//! `adit enrol`: gets this machine and a passkey into the roster, signs in, and writes the kubeconfig contexts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::address::HostPort;
use adit_proto::invitation::{Invitation, InvitationError};
use adit_proto::roster::check_name;
use adit_proto::secret::Secret;
use adit_transport::endpoint::Liveliness;
use adit_transport::key::DeviceSigner;
use adit_transport::party::{Dial, DialError, Party, PartyConfig};
use adit_transport::resolve::resolve;
use adit_transport::tls::{self, Alpn, ServerPin};
use adit_transport::way::Attachment;
use clap::Args;
use ring::rand::SystemRandom;
use serde_json::json;

use super::prompt::{ask, confirms};
use super::{has_terminal, kube, output};
use crate::agent::client::on_stderr;
use crate::browser::Caller;
use crate::ceremony::{self, Shown};
use crate::cli::Global;
use crate::enrol::{self, Contact, EnrolError, Enrolled, Founder, Newcomer, Person, recovery_key};
use crate::exit::{Exit, Failure};
use crate::paths::Paths;
use crate::profile::{self, Profile, ProfileName};
use crate::statement::causes;
use crate::talk::Talk;

/// How long the gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The profile's name where none is given.
const PROFILE: &str = "default";

/// By which invitation, and for genesis as whom.
#[derive(Debug, Args)]
pub struct EnrolArgs {
    /// The invitation; better pasted when asked, or in a file: others can see a command line
    #[arg(hide_short_help = true, conflicts_with = "file")]
    invitation: Option<String>,
    /// A file with the invitation, or - for stdin
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The first admin's user name; other invitations name their user
    #[arg(long)]
    name: Option<String>,
    /// For the first admin: the OpenSSH public key that can replace all admins; made if there is none
    #[arg(long, value_name = "FILE")]
    recovery_key: Option<PathBuf>,
}

impl EnrolArgs {
    /// Enrols.
    ///
    /// # Errors
    /// A failure that says whether the invitation still works.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let invitation = Arc::new(parse(self.text()?.expose())?);
        let founder = self.founder(&invitation)?;
        let paths = global.paths()?;
        let name = match &global.profile {
            Some(name) => name.clone(),
            None => PROFILE.parse().map_err(Failure::new)?,
        };
        let staged = enrol::staged::Staged::make(&paths, &name)?;
        let (key, _lock) = staged.into_parts();
        let caller = Caller::this_process(true);
        let sitter = Sitter {
            caller: caller.clone(),
            directory: paths.profile(&name),
        };
        let newcomer = Newcomer {
            invitation: invitation.clone(),
            device: key.into_signer(),
            facts: enrol::facts_of_this_machine()?,
            founder,
        };
        let enrolled = over_the_network(newcomer, &sitter).await?;
        let profile = Profile {
            gateway: invitation.address().clone(),
            gateways_keys: enrolled.gateways,
            genesis: enrolled.head.genesis,
            user: enrolled.user,
            device: enrolled.device,
        };
        profile.save(&paths, &name).map_err(Failure::new)?;
        on_stderr(&format!("Enrolled as {}.", enrolled.user_name));
        finish(&paths, &name, &caller, &enrolled).await?;
        if global.json {
            return output::print_json(&json!({
                "profile": name.as_str(),
                "gateway": profile.gateway.to_string(),
                "user": enrolled.user_name,
                "user_id": enrolled.user.to_string(),
                "device_id": enrolled.device.to_string(),
            }));
        }
        Ok(())
    }

    /// The invitation's text, from wherever it is.
    fn text(&self) -> Result<Secret<String>, Failure> {
        let unreadable = |what: &str, error: std::io::Error| {
            Failure::new(format!("{what} cannot be read: {error}")).exiting(Exit::Usage)
        };
        if let Some(text) = &self.invitation {
            on_stderr(
                "WARNING: other users of this machine may see an invitation on a command line; paste it when asked instead.",
            );
            return Ok(Secret::new(text.clone()));
        }
        match &self.file {
            Some(file) if file.as_os_str() != "-" => std::fs::read_to_string(file)
                .map(Secret::new)
                .map_err(|error| unreadable(&file.display().to_string(), error)),
            Some(_) => std::io::read_to_string(std::io::stdin())
                .map(Secret::new)
                .map_err(|error| unreadable("stdin", error)),
            None if has_terminal() => ask("Paste the invitation: ").map(Secret::new),
            None => Err(
                Failure::new("there is no terminal to ask for the invitation")
                    .exiting(Exit::Usage)
                    .repaired_by("give it as --file FILE, or --file - for stdin"),
            ),
        }
    }

    /// What the first admin brings; `None` for everybody else.
    fn founder(&self, invitation: &Invitation) -> Result<Option<Founder>, Failure> {
        let usage = |text: &str| Failure::new(text).exiting(Exit::Usage);
        if !invitation.makes_genesis() {
            if self.name.is_some() || self.recovery_key.is_some() {
                return Err(usage(
                    "--name and --recovery-key are for the first invitation of a new gateway; this one names its user",
                ));
            }
            return Ok(None);
        }
        let asked = |given: Option<String>, question: &str, missing: &str| match given {
            Some(given) => Ok(given),
            None if has_terminal() => ask(question),
            None => Err(usage(missing)),
        };
        let user_name = asked(
            self.name.clone(),
            "Your user name (an e-mail address or a name): ",
            "the first admin needs --name NAME",
        )?;
        check_name(&user_name).map_err(|error| usage(&format!("{user_name:?}: {error}")))?;
        let file = match &self.recovery_key {
            Some(file) => file.clone(),
            None => PathBuf::from(asked(
                None,
                "File of the recovery key (made if there is none): ",
                "the first admin needs --recovery-key FILE",
            )?),
        };
        let recovery = recovery_key::read_or_make(&file)?;
        if let Some(private) = &recovery.private {
            on_stderr(&format!(
                "The recovery key can replace all admins. Take {} offline now: move it to a medium that you lock away.",
                private.display()
            ));
        }
        Ok(Some(Founder {
            user_name,
            recovery_key: recovery.line,
        }))
    }
}

fn parse(text: &str) -> Result<Invitation, Failure> {
    Invitation::parse(text).map_err(|error| Failure::from(EnrolError::from(error)))
}

/// Dials the gateway and goes through the enrolment.
async fn over_the_network(newcomer: Newcomer, sitter: &Sitter) -> Result<Enrolled, Failure> {
    let invitation = newcomer.invitation.clone();
    let party = party(invitation.address(), newcomer.device.clone()).await?;
    let dial = Dial {
        alpn: Alpn::Enrol,
        pin: ServerPin::Prefix(*invitation.gateways_prefix()),
        liveliness: Liveliness::Prompt,
        patience: Some(PATIENCE),
    };
    let connection = party.dial(dial).await.map_err(|error| match error {
        DialError::Refused(quinn::ConnectionError::TransportError(_)) => {
            EnrolError::Invitation(InvitationError::OtherGateways).into()
        }
        DialError::Refused(_)
        | DialError::OutOfPatience
        | DialError::Connect(_)
        | DialError::Tls(_) => Failure::of(Reason::GatewayUnreachable, causes(&error)),
    })?;
    let contact = contact(&connection)
        .ok_or_else(|| Failure::of(Reason::GatewayUnreachable, "the handshake is incomplete"))?;
    let lost = |error: quinn::ConnectionError| Failure::from(EnrolError::Lost(error.into()));
    let (send, receive) = connection.open_bi().await.map_err(lost)?;
    let enrolled = enrol::enrol(newcomer, contact, (receive, send), sitter).await;
    party.close(0, b"").await;
    Ok(enrolled?)
}

async fn party(address: &HostPort, signer: Arc<dyn DeviceSigner>) -> Result<Party, Failure> {
    let unreachable = |text: String| Failure::of(Reason::GatewayUnreachable, text);
    let gateway = resolve(&address.host(), address.port())
        .await
        .map_err(|error| unreachable(format!("the address of {address} is not found: {error}")))?;
    let config = PartyConfig {
        gateway,
        attachment: Attachment::Free,
        signer,
        links_from: None,
    };
    Party::new(config, &SystemRandom::new()).map_err(|error| unreachable(causes(&error)))
}

fn contact(connection: &quinn::Connection) -> Option<Contact> {
    let export = |label: &[u8]| {
        let mut bytes = [0; 32];
        let exported = connection.export_keying_material(&mut bytes, label, b"");
        exported.ok().map(|()| bytes)
    };
    Some(Contact {
        gateways: tls::peer_key(connection)?,
        bind: export(b"EXPORTER-adit-bind")?,
        evidence: export(b"EXPORTER-adit-evidence")?,
    })
}

/// Signs in at once, in the same tab, and writes the contexts of the clusters that there are.
async fn finish(
    paths: &Paths,
    name: &ProfileName,
    caller: &Caller,
    enrolled: &Enrolled,
) -> Result<(), Failure> {
    let call = json!({"caller": caller, "ceremony_id": enrolled.ceremony_id});
    crate::agent::ask(paths, name, "sign-in", call).await?;
    match kube::write(paths, name, &[], None).await {
        Ok(written) => kube::say(&written),
        Err(failure) if failure.reason() == Some(Reason::UnknownOrForbidden) => {
            on_stderr("There is no cluster that you may use yet; run `adit kube` when there is.");
        }
        // The machine is enrolled all the same.
        Err(failure) => on_stderr(&format!(
            "The kubeconfig was not written: {failure}\n  run `adit kube` when that is repaired"
        )),
    }
    if profile::choose(paths, None).is_err() {
        on_stderr(
            "There are several profiles; add --profile NAME, or choose one for good by `adit profile use NAME`.",
        );
    }
    Ok(())
}

/// Whoever sits at this machine.
#[derive(Debug)]
struct Sitter {
    caller: Caller,
    directory: PathBuf,
}

impl Sitter {
    fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Person for Sitter {
    type Page = Shown;

    fn hear(&self, line: &str) {
        on_stderr(line);
    }

    async fn show(&self, url: &str, origins: &[String]) -> Result<Shown, Failure> {
        let talk = Talk::default();
        let shown = ceremony::show(url, origins, &self.caller, self.directory(), &talk).await;
        talk.listen().rest().iter().for_each(|line| on_stderr(line));
        shown
    }

    async fn goes_on(&self, url: &str, origins: &[String]) -> Result<Option<Shown>, Failure> {
        // A browser's tab goes on by itself.
        if ceremony::in_software(&self.caller) {
            return self.show(url, origins).await.map(Some);
        }
        Ok(None)
    }

    async fn agrees(&self, words: &[String]) -> bool {
        on_stderr("You are about to found this deployment:");
        for line in words {
            on_stderr(&format!("  {line}"));
        }
        if !has_terminal() {
            return true;
        }
        confirms("Is all of this right?").await
    }
}
