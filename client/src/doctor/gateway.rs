//! What concerns the gateway: its name, the way to it, its clock, the roster, the sign-in and the policy.

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::time::UnixMillis;
use adit_transport::resolve::resolve;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Finding, Patient};
use crate::clock;
use crate::exit::Failure;
use crate::version::{TOLD_AT, outdated};

/// How long a name may take to be resolved.
const RESOLVING: Duration = Duration::from_secs(5);
/// How far clocks may be apart; beyond it offers are refused with `clock_skew`.
const TOLERANCE: Duration = Duration::from_mins(5);
/// From here on somebody should look after the clock.
const DRIFT: Duration = Duration::from_secs(30);

/// Whether the gateway's name leads to an address.
pub(super) async fn name(patient: &Patient<'_>) -> Finding {
    let gateway = &patient.profile.gateway;
    let resolved = timeout(RESOLVING, resolve(&gateway.host(), gateway.port())).await;
    let repair = "check the network and its DNS, and ask an admin whether the gateway has moved";
    match resolved {
        Ok(Ok(address)) => Finding::good("dns", format!("{gateway} is {address}")),
        Ok(Err(error)) => Finding::bad("dns", format!("{gateway} is not found: {error}"), repair),
        Err(_) => Finding::bad("dns", format!("{gateway} is not found in 5 s"), repair),
    }
}

/// Whether the gateway answers, and is the one that this machine enrolled with.
pub(super) fn connection(patient: &Patient<'_>) -> Finding {
    match &patient.seat {
        Err(_) => Finding::skipped("gateway", "the agent does not answer"),
        Ok(seat) => match &seat.trouble {
            None => Finding::good("gateway", format!("connected to {} over UDP", seat.gateway)),
            Some(trouble) => of_trouble(trouble),
        },
    }
}

fn of_trouble(trouble: &Failure) -> Finding {
    let found = Finding::of("gateway", trouble);
    if trouble.reason() != Some(Reason::GatewayUnreachable) {
        return found;
    }
    let udp = "a network that blocks UDP looks like this too: try another one";
    let repair = trouble.repair.iter().map(String::as_str).chain([udp]);
    let repair = repair.collect::<Vec<_>>().join("; ");
    found.repaired_by(repair)
}

/// Whether this program is of an older version.
pub(super) fn version(patient: &Patient<'_>) -> Finding {
    let theirs = patient.who.as_ref().and_then(|who| who.pointer(TOLD_AT));
    let Some(theirs) = theirs.and_then(Value::as_str) else {
        return Finding::skipped("version", "the gateway does not tell its version");
    };
    match outdated(theirs) {
        Some(told) => Finding::warning("version", told, "update adit on this machine"),
        None => Finding::good("version", "not older than the gateway"),
    }
}

/// Whether the clocks agree.
pub(super) fn clock(patient: &Patient<'_>) -> Finding {
    let theirs = number(patient, "/gateway/now_ms").map(UnixMillis);
    theirs.map_or_else(
        || Finding::skipped("clock", "the gateway does not tell its time"),
        |theirs| of_clocks(clock::now(), theirs),
    )
}

fn of_clocks(ours: UnixMillis, theirs: UnixMillis) -> Finding {
    let apart = Duration::from_millis(ours.0.abs_diff(theirs.0));
    let detail = format!("{} s apart from the gateway's", apart.as_secs());
    let repair = "set the clock of this machine by NTP";
    if apart > TOLERANCE {
        Finding::bad("clock", detail, repair)
    } else if apart > DRIFT {
        Finding::warning("clock", detail, repair)
    } else {
        Finding::good("clock", detail)
    }
}

/// Whether the statements that the gateway has are here and verified.
pub(super) fn roster(patient: &Patient<'_>) -> Finding {
    let theirs = number(patient, "/gateway/roster_number");
    let (Ok(seat), Some(theirs)) = (&patient.seat, theirs) else {
        return Finding::skipped("roster", "the gateway does not tell its newest statement");
    };
    let ours = seat.roster_number;
    if ours >= theirs {
        return Finding::good("roster", format!("verified up to statement {ours}"));
    }
    let detail = format!("verified up to statement {ours}, the gateway has {theirs}");
    let repair = "wait a moment; if it stays so, tell an admin and look into the agent's log";
    Finding::warning("roster", detail, repair)
}

/// Whether somebody is signed in.
pub(super) fn sign_in(patient: &Patient<'_>) -> Finding {
    let Some(who) = &patient.who else {
        return Finding::skipped("sign-in", "the gateway is not reached");
    };
    let user = who.pointer("/user/name").and_then(Value::as_str);
    let user = user.unwrap_or("nobody");
    match who.get("sign_in") {
        Some(Value::Object(_)) => Finding::good("sign-in", format!("{user} is signed in")),
        _ => Finding::warning("sign-in", format!("{user} is not signed in"), "adit login"),
    }
}

/// Whether policy gives the user anything.
pub(super) async fn policy(patient: &Patient<'_>) -> Finding {
    if patient.who.is_none() {
        return Finding::skipped("policy", "the gateway is not reached");
    }
    let call = json!({"method": "GET", "path": "/v1/clusters"});
    match patient.global.ask("api", call).await {
        Ok(answer) => {
            let clusters = answer.pointer("/clusters").and_then(Value::as_array);
            of_clusters(clusters.map(Vec::as_slice).unwrap_or_default())
        }
        Err(failure) if failure.exit == crate::exit::Exit::SignIn => {
            Finding::skipped("policy", "nobody is signed in")
        }
        Err(failure) => Finding::of("policy", &failure),
    }
}

fn of_clusters(clusters: &[Value]) -> Finding {
    let offline: Vec<&str> = clusters
        .iter()
        .filter(|cluster| cluster.get("online") != Some(&Value::Bool(true)))
        .filter_map(|cluster| cluster.get("name")?.as_str())
        .collect();
    let detail = format!("{} clusters may be used", clusters.len());
    if clusters.is_empty() {
        let repair = "ask an admin for a policy that lets you connect";
        Finding::warning("policy", "no cluster may be used", repair)
    } else if offline.is_empty() {
        Finding::good("policy", detail)
    } else {
        let repair = "ask the owner of the cluster whether its connector runs";
        let detail = format!("{detail}, offline: {}", offline.join(", "));
        Finding::warning("policy", detail, repair)
    }
}

fn number(patient: &Patient<'_>, pointer: &str) -> Option<u64> {
    patient.who.as_ref()?.pointer(pointer)?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_clock_that_drifts_is_warned_of_before_it_is_refused() {
        for (apart, verdict) in [
            (0, Verdict::Good),
            (30_000, Verdict::Good),
            (31_000, Verdict::Warning),
            (300_001, Verdict::Bad),
        ] {
            let (low, high) = (UnixMillis(1_000_000), UnixMillis(1_000_000 + apart));
            assert_eq!(of_clocks(low, high).verdict, verdict, "{apart}");
            assert_eq!(of_clocks(high, low).verdict, verdict, "{apart}");
        }
    }

    #[test]
    fn only_a_gateway_that_is_out_of_reach_may_be_behind_blocked_udp() {
        for (reason, told) in [
            (Reason::GatewayUnreachable, true),
            (Reason::DeviceRevoked, false),
        ] {
            let found = of_trouble(&Failure::of(reason, "no"));
            let repair = found.repair.unwrap();
            assert!(repair.starts_with(reason.repair()), "{repair}");
            assert_eq!(repair.contains("UDP"), told, "{repair}");
        }
    }

    #[test]
    fn clusters_that_are_offline_are_named() {
        let on = json!({"name": "prod", "online": true});
        let off = json!({"name": "dev", "online": false});
        assert_eq!(of_clusters(&[]).verdict, Verdict::Warning);
        assert_eq!(
            of_clusters(std::slice::from_ref(&on)).verdict,
            Verdict::Good
        );
        let found = of_clusters(&[on, off]);
        assert!(found.detail.ends_with("offline: dev"), "{found:?}");
    }
}
