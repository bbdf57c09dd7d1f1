//! The API server's audit log beside ours.

use std::collections::BTreeMap;

use adit_harness::cluster::Cluster;
use adit_harness::stack::{BOUND, Stack};
use adit_harness::wait;
use anyhow::{Context, Result};
use serde_json::Value;

/// Who asked for what in which session: one request as both logs know it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    user: String,
    session: String,
    verb: String,
    resource: String,
    subresource: String,
}

/// Each request of `user` is once in the API server's log and once in ours, under the same id, with the same user,
/// session, verb and resource; and the connector's account is who impersonated.
pub(crate) fn logs_join_one_to_one(stack: &Stack, cluster: &Cluster, user: &str) {
    let joined = wait::until("both logs to agree", BOUND, || {
        let (ours, theirs) = (ours(stack, user)?, theirs(stack, cluster, user)?);
        Ok((!ours.is_empty() && ours == theirs).then_some(()))
    });
    assert!(
        joined.is_ok(),
        "{joined:?}\nours: {:#?}\ntheirs: {:#?}",
        ours(stack, user),
        theirs(stack, cluster, user)
    );
}

/// All audit events, oldest first.
pub(crate) fn events(stack: &Stack) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    loop {
        let after = all
            .last()
            .and_then(|event: &Value| event["cursor"].as_u64());
        let after = after.unwrap_or_default().to_string();
        let listed = ["admin", "audit", "list", "--after", &after];
        let printed = stack.admin.json(&listed)?;
        let page = printed["events"].as_array().context("events")?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.iter().cloned());
    }
}

fn ours(stack: &Stack, user: &str) -> Result<BTreeMap<String, Vec<Asked>>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut ours: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in events(stack)? {
        let actor = &event["actor"];
        let forwarded = event["kind"] == "request_intent" && event["reason"] == "";
        if !forwarded || actor["user_name"] != user {
            continue;
        }
        let asked = Asked {
            user: text(&actor["user_name"]),
            session: text(&actor["session_id"]),
            verb: text(&event["verb"]),
            resource: text(&event["resource"]),
            subresource: text(&event["subresource"]),
        };
        ours.entry(text(&event["request_id"]))
            .or_default()
            .push(asked);
    }
    Ok(ours)
}

fn theirs(stack: &Stack, cluster: &Cluster, user: &str) -> Result<BTreeMap<String, Vec<Asked>>> {
    let account = stack.account();
    let mut theirs: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in cluster.audit()? {
        // The account is this stack's own, so requests of other stacks' users of the same name do not count.
        if event.stage != "ResponseComplete" || event.user.username != account {
            continue;
        }
        let Some(impersonated) = event.impersonated_user else {
            continue;
        };
        if impersonated.username != user {
            continue;
        }
        let object = event.object_ref.unwrap_or_default();
        let session = impersonated.extra.get("adit.internal/session");
        let asked = Asked {
            user: impersonated.username,
            session: session
                .and_then(|it| it.first().cloned())
                .unwrap_or_default(),
            verb: event.verb,
            resource: object.resource,
            subresource: object.subresource,
        };
        theirs.entry(event.audit_id).or_default().push(asked);
    }
    Ok(theirs)
}
