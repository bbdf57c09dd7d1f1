//! `adit credential CLUSTER`: the exec plugin that kubectl runs (`client.authentication.k8s.io/v1`).
//!
//! stdout belongs to kubectl; everything for the person goes to stderr.

use adit_proto::time::UnixMillis;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{has_terminal, output};
use crate::browser::Caller;
use crate::cli::Global;
use crate::exit::{Exit, Failure};
use crate::seat::Credential;
use crate::timestamp;

/// The only version that is spoken.
const API_VERSION: &str = "client.authentication.k8s.io/v1";
/// The variable in which kubectl says what it wants.
const EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";

/// For which cluster.
#[derive(Debug, Args)]
pub struct CredentialArgs {
    /// The cluster
    cluster: String,
}

#[derive(Debug, Deserialize)]
struct ExecInfo {
    #[serde(rename = "apiVersion")]
    api_version: String,
    spec: Option<Spec>,
}

#[derive(Debug, Deserialize)]
struct Spec {
    #[serde(default)]
    interactive: bool,
}

impl CredentialArgs {
    /// Prints a token for the local endpoint, after whatever has to be done for it.
    ///
    /// # Errors
    /// Exit code 3 when nobody is signed in and no person is there to do it.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let info = std::env::var(EXEC_INFO).ok();
        let interactive = may_ask(info.as_deref(), has_terminal())?;
        let caller = Caller::this_process(interactive);
        let call = json!({"cluster": self.cluster, "caller": caller});
        let answered = global.ask("credential", call).await?;
        let credential: Credential = serde_json::from_value(answered).map_err(Failure::new)?;
        output::print(&exec_credential(&credential).to_string())
    }
}

/// Whether a person can be asked: kubectl says so, and there is a terminal.
fn may_ask(info: Option<&str>, terminal: bool) -> Result<bool, Failure> {
    let Some(info) = info.filter(|info| !info.is_empty()) else {
        return Ok(terminal);
    };
    let usage = |message: String| Failure::new(message).exiting(Exit::Usage);
    let info: ExecInfo = serde_json::from_str(info)
        .map_err(|error| usage(format!("{EXEC_INFO} cannot be read: {error}")))?;
    if info.api_version != API_VERSION {
        return Err(usage(format!(
            "kubectl asks for {}; adit speaks {API_VERSION}. Run `adit kube` to write the entry anew",
            info.api_version
        )));
    }
    Ok(terminal && info.spec.is_some_and(|spec| spec.interactive))
}

fn exec_credential(credential: &Credential) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "ExecCredential",
        "status": {
            "token": credential.token,
            "expirationTimestamp": timestamp::rfc3339(UnixMillis(credential.expires_ms)),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_an_exec_credential_with_token_and_time() {
        let credential = Credential {
            token: "t0ken".to_owned(),
            expires_ms: 1_764_040_000_123,
        };
        let answer = exec_credential(&credential);
        assert_eq!(answer["apiVersion"], API_VERSION);
        assert_eq!(answer["kind"], "ExecCredential");
        assert_eq!(answer["status"]["token"], "t0ken");
        assert_eq!(
            answer["status"]["expirationTimestamp"],
            "2025-11-25T03:06:40Z"
        );
        assert!(!format!("{credential:?}").contains("t0ken"));
    }

    #[test]
    fn a_browser_is_opened_only_with_a_terminal_and_kubectls_leave() {
        let info = |interactive: bool, version: &str| {
            json!({"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": interactive}}).to_string()
        };
        let ask = |info: Option<String>, terminal| may_ask(info.as_deref(), terminal);
        assert!(ask(Some(info(true, API_VERSION)), true).unwrap());
        assert!(!ask(Some(info(true, API_VERSION)), false).unwrap());
        assert!(!ask(Some(info(false, API_VERSION)), true).unwrap());
        assert!(ask(None, true).unwrap() && !ask(None, false).unwrap());
        let old = ask(
            Some(info(true, "client.authentication.k8s.io/v1beta1")),
            true,
        );
        assert_eq!(old.unwrap_err().exit, Exit::Usage);
        assert!(ask(Some("{".to_owned()), true).is_err());
    }
}
