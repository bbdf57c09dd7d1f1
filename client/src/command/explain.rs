//! `adit explain kubectl …`: what would be decided about the requests of a command, and by which rules.

mod words;

use std::ffi::OsString;

use adit_proto::target::{Name, Target};
use clap::{Args, ValueHint};
use serde_json::json;

use super::kube::refused;
use super::{has_terminal, output};
use crate::agent;
use crate::agent::client::on_stderr;
use crate::agent::protocol::{CredentialCall, ExplainedCall};
use crate::browser::Caller;
use crate::cli::Global;
use crate::exit::{Exit, Failure};
use crate::explain::{Decided, Ended, Goal, Kubectl, Line, Told};
use crate::kubeconfig::Files;
use crate::profile::{self, ProfileName};
use crate::seat::Begun;

/// What to explain.
#[derive(Debug, Args)]
#[command(after_help = "\
kubectl runs, and each of its requests is decided in the cluster as always. What it reads to go on (discovery, get, list)
is carried out and recorded as always; everything else (writes, exec, logs, watches, Secrets) is decided and not done.
Where Adit allows a request, RBAC of the cluster decides it too, for the user and the groups that are shown.

  adit explain kubectl delete pod web-0
  adit explain kubectl --context adit-prod -n shop apply -f shop.yaml
  adit explain --json --cluster prod kubectl get pods

A plugin of kubectl is a program of its own: what it does elsewhere is done. Aliases of kuberc are not expanded.
Exit code: 0 if all is allowed, 4 if something is denied.")]
pub struct ExplainArgs {
    /// The cluster, instead of the one of kubectl's context
    #[arg(long, value_name = "NAME")]
    cluster: Option<Name>,
    /// The command: kubectl and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "kubectl ARGS",
        value_hint = ValueHint::Other
    )]
    command: Vec<OsString>,
}

impl ExplainArgs {
    /// Explains the command.
    ///
    /// # Errors
    /// [`Exit::Denied`] if a request would be denied, after all were printed; else why it is not known.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let line = Line::read(&self.command)?;
        let kubectl = Kubectl::find(std::env::var_os("PATH"))?;
        let goal = if let Some(cluster) = &self.cluster {
            Goal::named(cluster, &line)?
        } else {
            let files = Files::find(None, |name| std::env::var_os(name)).map_err(refused)?;
            Goal::chosen(files.chosen(line.context.as_deref()).map_err(refused)?)?
        };
        let (paths, profile) = (global.paths()?, profile_of(global, &goal)?);
        let call = json!(CredentialCall {
            cluster: goal.cluster.to_string(),
            caller: Caller::this_process(has_terminal()),
        });
        let begun = match agent::ask(&paths, &profile, "explain", call).await {
            Err(failure) if failure.exit == Exit::Denied => {
                print(global, &[of_session(&goal, failure)])?;
                return Err(denied(
                    "the session would be denied, and with it every request",
                ));
            }
            begun => serde_json::from_value::<Begun>(begun?).map_err(Failure::new)?,
        };
        let ended = kubectl.run(&line, &goal, &begun, &paths).await;
        // Whatever became of kubectl: the explanation is over.
        let call = json!(ExplainedCall { id: begun.id });
        let told = agent::ask(&paths, &profile, "explained", call).await?;
        let mut told: Told = serde_json::from_value(told).map_err(Failure::new)?;
        let ended = ended?;
        // The session may have ended since, and no other was allowed.
        if let Some(denial) = told.failed.take_if(|failure| failure.exit == Exit::Denied) {
            told.decided.push(of_session(&goal, denial));
        }
        print(global, &told.decided)?;
        if ended.speaks(&told) {
            on_stderr(ended.stderr.trim_end());
        }
        verdict(told, &ended)
    }
}

/// The profile that the context names, or else the usual one.
fn profile_of(global: &Global, goal: &Goal) -> Result<ProfileName, Failure> {
    match (&goal.profile, &global.profile) {
        (Some(of_context), Some(asked)) if of_context != asked => {
            let context = &goal.context;
            let message = format!("the context {context} is one of the profile {of_context}");
            Err(Failure::new(message)
                .exiting(Exit::Usage)
                .repaired_by("leave --profile out"))
        }
        (Some(of_context), _) => Ok(of_context.clone()),
        (None, asked) => profile::choose(&global.paths()?, asked.as_ref()).map_err(Failure::from),
    }
}

fn print(global: &Global, decided: &[Decided]) -> Result<(), Failure> {
    if global.json {
        return output::print_json(&json!(decided));
    }
    let blocks: Vec<_> = decided.iter().map(words::block).collect();
    if blocks.is_empty() {
        return Ok(());
    }
    output::print(&blocks.join("\n"))
}

fn of_session(goal: &Goal, denial: Failure) -> Decided {
    Decided::session(Target::Cluster(goal.cluster.clone()).to_string(), denial)
}

fn denied(message: impl std::fmt::Display) -> Failure {
    Failure::new(message).exiting(Exit::Denied)
}

impl Ended {
    /// Whether what kubectl said is true: nothing was kept from it.
    fn speaks(&self, told: &Told) -> bool {
        let all_done = told.decided.iter().all(|it| it.carried_out);
        !self.success && told.failed.is_none() && all_done
    }
}

/// How the command ends.
fn verdict(told: Told, ended: &Ended) -> Result<(), Failure> {
    let speaks = ended.speaks(&told);
    if let Some(failure) = told.failed {
        return Err(failure);
    }
    let (all, no) = (told.decided.len(), told.decided.iter());
    let no = no.filter(|it| it.is_denied()).count();
    if no > 0 {
        return Err(denied(format!("{no} of {all} requests would be denied")));
    }
    if let Some(failure) = told.decided.iter().find_map(Decided::undecided) {
        return Err(failure);
    }
    match (all, ended.success) {
        (0, true) => Err(Failure::new(
            "this command asks the cluster for nothing: there is nothing to explain",
        )
        .exiting(Exit::Usage)),
        (0, false) => Err(Failure::new(
            "kubectl failed before it asked the cluster for anything",
        )),
        _ if speaks => Err(Failure::new(
            "kubectl failed by itself before it asked for more",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use adit_proto::Reason;
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn told(decided: &[Decided]) -> Told {
        Told {
            decided: decided.to_vec(),
            failed: None,
        }
    }

    fn ended(success: bool) -> Ended {
        Ended {
            success,
            stderr: String::new(),
        }
    }

    fn allowed(carried_out: bool) -> Decided {
        Decided {
            allowed: true,
            carried_out,
            ..Decided::default()
        }
    }

    #[test]
    fn what_stands_behind_kubectl_is_kubectls() {
        let line = "adit explain --json --cluster prod kubectl --cluster x get --json -h -- y";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Command::Explain(args) = cli.command else {
            panic!("{:?}", cli.command);
        };
        assert!(cli.global.json);
        assert_eq!(args.cluster.unwrap().as_str(), "prod");
        let rest: Vec<_> = line.split(' ').skip(5).collect();
        assert_eq!(args.command, rest);
        assert!(Cli::try_parse_from(["adit", "explain"]).is_err());
    }

    #[test]
    fn the_exit_code_says_whether_all_would_be_allowed() {
        let exit = |told: Told, success| match verdict(told, &ended(success)) {
            Ok(()) => Exit::Done,
            Err(failure) => failure.exit,
        };
        // kubectl fails because something was kept from it.
        assert_eq!(
            exit(told(&[allowed(true), allowed(false)]), false),
            Exit::Done
        );
        assert_eq!(exit(told(&[allowed(true)]), true), Exit::Done);
        let no = Decided::default();
        assert_eq!(exit(told(&[allowed(true), no]), false), Exit::Denied);
        let by_rbac = Decided {
            status: Some(403),
            ..allowed(true)
        };
        assert_eq!(exit(told(&[by_rbac]), false), Exit::Denied);
        // A pod that is not there: what would come then is not known.
        assert_eq!(exit(told(&[allowed(true)]), false), Exit::Failed);
        assert_eq!(exit(told(&[]), true), Exit::Usage);
        assert_eq!(exit(told(&[]), false), Exit::Failed);
        let unreachable = Told {
            decided: vec![Decided::default()],
            failed: Some(Failure::of(Reason::TargetOffline, "gone")),
        };
        assert_eq!(exit(unreachable, false), Exit::Unreachable);
    }

    #[test]
    fn kubectl_is_heard_only_where_nothing_was_kept_from_it() {
        assert!(ended(false).speaks(&told(&[])));
        assert!(ended(false).speaks(&told(&[allowed(true)])));
        assert!(!ended(false).speaks(&told(&[allowed(true), allowed(false)])));
        assert!(!ended(true).speaks(&told(&[])));
    }
}
