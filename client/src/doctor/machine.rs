//! What concerns this machine: the agent, private files, the local endpoint, and kubectl's files.

use serde_json::{Value, json};

use super::{Finding, Patient};
use crate::agent::client::AgentClient;
use crate::agent::protocol::AGENT;
use crate::kubeconfig::{Files, Lead};
use crate::private_file;
use crate::profile::key_file;
use crate::seat::Described;

/// Whether the agent runs, and is of this program.
pub(super) async fn agent(patient: &Patient<'_>) -> Finding {
    let log = patient.paths.agent_log();
    let repair = format!("look into {}", log.display());
    if let Err(failure) = &patient.seat {
        return Finding::bad("agent", failure.message.as_str(), repair);
    }
    let asked = async {
        let mut agent = AgentClient::connect(&patient.paths.socket()).await.ok()??;
        agent.call(AGENT, "status", &Value::Null, |_| {}).await.ok()
    };
    match asked.await {
        Some(answered) if answered.other_program => Finding::warning(
            "agent",
            "runs, but from another program than this one",
            "it replaces itself when idle; `adit agent stop` replaces it now",
        ),
        Some(answered) => {
            let pid = answered.value.get("pid").and_then(Value::as_u64);
            Finding::good("agent", format!("runs, process {}", pid.unwrap_or(0)))
        }
        None => Finding::bad("agent", "does not answer", repair),
    }
}

/// Whether nobody else can read the device key.
pub(super) fn private_files(patient: &Patient<'_>) -> Finding {
    let file = key_file(&patient.paths, &patient.name);
    match private_file::check(&file) {
        Ok(()) => Finding::good("device key", format!("{} is private", file.display())),
        Err(error) => Finding::bad(
            "device key",
            error.to_string(),
            format!(
                "chmod 600 {}, and tell an admin if others could read it",
                file.display()
            ),
        ),
    }
}

/// Whether kubectl's local endpoint is open.
pub(super) fn listener(patient: &Patient<'_>) -> Finding {
    match &patient.seat {
        Err(_) => Finding::skipped("endpoint", "the agent does not answer"),
        Ok(seat) => match (seat.port, &seat.port_trouble) {
            (Some(port), _) => Finding::good("endpoint", format!("https://127.0.0.1:{port}")),
            (None, Some(failure)) => Finding::of("endpoint", failure),
            (None, None) => Finding::bad("endpoint", "closed", "adit kube --move-port"),
        },
    }
}

/// Whether kubectl's files have contexts that lead to the endpoint.
pub(super) async fn kubeconfig(patient: &Patient<'_>) -> Finding {
    let described = patient.global.ask("listener", json!(null)).await;
    let described = described
        .and_then(|it| serde_json::from_value::<Described>(it).map_err(crate::exit::Failure::new));
    let Ok(described) = described else {
        return Finding::skipped("kubeconfig", "the local endpoint is closed");
    };
    let leads = Files::find(None, |name| std::env::var_os(name))
        .and_then(|files| files.leads(&patient.name));
    match leads {
        Ok(leads) => of_leads(&leads, &described),
        Err(error) => Finding::bad("kubeconfig", error.to_string(), "mend or remove that file"),
    }
}

fn of_leads(leads: &[Lead], described: &Described) -> Finding {
    let stale: Vec<&str> = leads
        .iter()
        .filter(|lead| !lead.is_of(described))
        .map(|lead| lead.name.as_str())
        .collect();
    if leads.is_empty() {
        let detail = "kubectl has no context for a cluster";
        Finding::warning("kubeconfig", detail, "adit kube")
    } else if stale.is_empty() {
        Finding::good("kubeconfig", format!("{} contexts lead here", leads.len()))
    } else {
        let detail = format!("contexts that lead nowhere: {}", stale.join(", "));
        Finding::bad("kubeconfig", detail, "adit kube")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_context_that_leads_nowhere_is_named() {
        let described = Described {
            port: 20_001,
            certificate_pem: "PEM".to_owned(),
        };
        let good = Lead {
            name: "adit-prod".to_owned(),
            server: "https://127.0.0.1:20001/k/prod".to_owned(),
            authority: "UEVN".to_owned(),
            program: std::env::current_exe().unwrap(),
        };
        assert_eq!(of_leads(&[], &described).verdict, Verdict::Warning);
        let one = std::slice::from_ref(&good);
        assert_eq!(of_leads(one, &described).verdict, Verdict::Good);
        for stale in [
            Lead {
                server: "https://127.0.0.1:20002/k/prod".to_owned(),
                ..good.clone()
            },
            Lead {
                authority: "WA==".to_owned(),
                ..good.clone()
            },
            Lead {
                program: "/nowhere/adit".into(),
                ..good.clone()
            },
        ] {
            let found = of_leads(&[stale], &described);
            assert_eq!(found.verdict, Verdict::Bad);
            assert!(found.detail.contains("adit-prod"), "{found:?}");
        }
    }
}
