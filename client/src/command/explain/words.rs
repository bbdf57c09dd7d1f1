//! A decision in words.

use serde_json::json;

use super::super::output::cell;
use crate::explain::{Decided, Ground, Request};

/// A decision as a block of lines.
pub(super) fn block(decided: &Decided) -> String {
    let mut lines = vec![asked(&decided.request), outcome(decided)];
    if decided.allowed {
        let grounds = decided.grounds.iter();
        lines.extend(grounds.map(|it| ground(it, &decided.groups)));
    }
    lines.extend(done(decided));
    // What comes from a cluster is text: nothing of it moves the terminal's cursor.
    let shown = lines.iter().map(|line| cell(Some(&json!(line))));
    shown.collect::<Vec<_>>().join("\n")
}

/// The request in RBAC's words.
fn asked(request: &Request) -> String {
    if request.resource.is_empty() {
        return format!("{} {}", request.verb, request.path);
    }
    let parts = [
        (".", &request.group),
        ("/", &request.subresource),
        (" ", &request.name),
        (" in namespace ", &request.namespace),
    ];
    joined(format!("{} {}", request.verb, request.resource), parts)
}

/// The text with those parts that there are, each after what comes before it.
fn joined<const N: usize>(mut text: String, parts: [(&str, &String); N]) -> String {
    for (before, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
        text.push_str(before);
        text.push_str(part);
    }
    text
}

fn outcome(decided: &Decided) -> String {
    let policy = decided
        .policy_number
        .map_or_else(String::new, |number| format!(" by policy {number}"));
    if decided.allowed {
        return format!("  allowed{policy}");
    }
    let message = decided.message.as_deref().unwrap_or("no reason is known");
    let reason = decided.reason.as_deref();
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let outcome = if decided.is_denied() {
        "denied"
    } else {
        "refused"
    };
    format!("  {outcome}{policy}: {message}{reason}")
}

fn ground(ground: &Ground, groups: &[String]) -> String {
    let what = if ground.action == "assume" {
        format!("assume {}", groups.join(", "))
    } else {
        ground.action.clone()
    };
    format!("    {what}: rule {}", ground.rules.join(", "))
}

/// What became of it.
fn done(decided: &Decided) -> Vec<String> {
    if !decided.allowed {
        return Vec::new();
    }
    let who = format!("{} in {}", decided.user, decided.groups.join(", "));
    match decided.status {
        None => {
            let text = format!("  not carried out; RBAC of the cluster decides it too, for {who}");
            let asking = can_i(&decided.request).map(|line| format!("    ask it: {line}"));
            [Some(text), asking].into_iter().flatten().collect()
        }
        Some(403) => vec![format!(
            "  carried out: the API server denies it (403) to {who}"
        )],
        Some(status) => vec![format!("  carried out: the API server answered {status}")],
    }
}

/// The line that asks RBAC. It is there to be copied into a shell, so what a shell would read otherwise has none.
fn can_i(request: &Request) -> Option<String> {
    if request.resource.is_empty() {
        return None;
    }
    let parts = [
        (".", &request.group),
        ("/", &request.name),
        (" --subresource=", &request.subresource),
        (" --namespace=", &request.namespace),
    ];
    let asks = format!("kubectl auth can-i {} {}", request.verb, request.resource);
    let line = joined(asks, parts);
    let plain = |c: char| c.is_ascii_alphanumeric() || " -./=".contains(c);
    line.chars().all(plain).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(verb: &str, resource: &str, subresource: &str) -> Request {
        let text = str::to_owned;
        Request {
            verb: text(verb),
            resource: text(resource),
            subresource: text(subresource),
            namespace: text("shop"),
            name: text("web"),
            ..Request::default()
        }
    }

    fn allowed(request: Request) -> Decided {
        let ground = |action: &str, rule: &str| Ground {
            action: action.to_owned(),
            rules: vec![rule.to_owned()],
        };
        Decided {
            request,
            allowed: true,
            user: "ben@example.org".to_owned(),
            groups: vec!["view".to_owned(), "edit".to_owned()],
            policy_number: Some(3),
            grounds: vec![ground("connect", "all"), ground("assume", "line 4")],
            ..Decided::default()
        }
    }

    #[test]
    fn an_allowed_request_names_its_rules_and_who_rbac_would_see() {
        assert_eq!(
            block(&allowed(request("delete", "pods", ""))),
            "delete pods web in namespace shop\n  allowed by policy 3\n    connect: rule all\n    \
             assume view, edit: rule line 4\n  not carried out; RBAC of the cluster decides it too, \
             for ben@example.org in view, edit\n    ask it: kubectl auth can-i delete pods/web --namespace=shop"
        );
        let mut read = allowed(Request {
            verb: "get".to_owned(),
            path: "/apis".to_owned(),
            ..Request::default()
        });
        (read.carried_out, read.status) = (true, Some(200));
        let text = block(&read);
        assert!(text.starts_with("get /apis\n"), "{text}");
        assert!(text.ends_with("\n  carried out: the API server answered 200"));
        read.status = Some(403);
        assert!(block(&read).contains("denies it (403) to ben@example.org in view, edit"));
    }

    #[test]
    fn the_line_that_asks_rbac_holds_nothing_that_a_shell_reads() {
        let mut asked = request("create", "pods", "exec");
        let line = "kubectl auth can-i create pods/web --subresource=exec --namespace=shop";
        assert_eq!(can_i(&asked).as_deref(), Some(line));
        asked.group = "apps".to_owned();
        assert!(can_i(&asked).unwrap().contains(" pods.apps/web "));
        asked.name = "$(reboot)".to_owned();
        assert_eq!(can_i(&asked), None);
        let path = Request {
            path: "/apis".to_owned(),
            ..Request::default()
        };
        assert_eq!(can_i(&path), None);
    }

    #[test]
    fn a_denial_is_its_sentence_and_its_reason() {
        let decided = Decided {
            allowed: false,
            message: Some("it is denied by policy rule x; ask\u{1b}[2J an admin".to_owned()),
            reason: Some("policy_denied".to_owned()),
            ..allowed(request("get", "pods", "exec"))
        };
        assert_eq!(
            block(&decided),
            "get pods/exec web in namespace shop\n  denied by policy 3: it is denied by policy rule x; \
             ask[2J an admin (policy_denied)"
        );
    }
}
