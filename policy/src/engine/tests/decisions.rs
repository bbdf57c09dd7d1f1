use std::time::Duration;

use adit_proto::Reason;
use adit_proto::target::{Name, Target};

use super::super::{Decision, MissingFactor, Tier};
use super::{anna, connect, policy};
use crate::kube_name::KubeGroupName;

const DEVS: &str = r#"
@id("devs-prod")
permit(principal in Group::"devs", action == Action::"connect", resource == Cluster::"prod");
"#;

fn names(groups: &[&str]) -> Vec<KubeGroupName> {
    groups.iter().map(|group| group.parse().unwrap()).collect()
}

fn assume(text: &str, groups: &[&str]) -> Result<Vec<String>, Reason> {
    policy(text)
        .asking(&anna())
        .assume(&"prod".parse().unwrap(), &names(groups))
        .map(|assumed| assumed.groups().iter().map(ToString::to_string).collect())
        .map_err(|denial| denial.reason())
}

#[test]
fn a_rule_permits_what_it_names_and_the_permit_carries_it() {
    let target: Target = "cluster/prod".parse().unwrap();
    let Decision::Permit(permit) = policy(DEVS).decide(&anna(), &target) else {
        panic!("denied")
    };
    assert_eq!(
        (permit.user().as_str(), permit.target()),
        ("anna@example.com", &target)
    );
    assert_eq!(
        permit
            .rules()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["devs-prod"]
    );
}

#[test]
fn without_a_rule_everything_is_denied() {
    let policy = policy(DEVS);
    for target in ["cluster/test", "service/prod/db"] {
        let Decision::Deny(denial) = policy.decide(&anna(), &target.parse().unwrap()) else {
            panic!("{target}")
        };
        assert_eq!(denial.reason(), Reason::PolicyDenied);
    }
    let mut other = anna();
    other.groups = vec!["ops".to_owned()];
    assert_eq!(
        connect(DEVS, &other).unwrap_err().reason(),
        Reason::PolicyDenied
    );
}

#[test]
fn who_has_no_permission_cannot_tell_forbidden_from_unknown() {
    let mut other = anna();
    other.groups.clear();
    let text = format!("{DEVS}\n@id(\"freeze\") forbid(principal, action, resource);");
    let denial = connect(&text, &other).unwrap_err();
    assert_eq!(
        (denial.reason(), denial.shown_reason()),
        (Reason::PolicyDenied, Reason::UnknownOrForbidden)
    );
    assert_eq!(denial.rules().len(), 1, "audit knows");
    assert!(!denial.to_string().contains("freeze"), "{denial}");
    let unknown = connect(DEVS, &other).unwrap_err();
    assert_eq!(denial.to_string(), unknown.to_string());
}

#[test]
fn who_has_permission_sees_the_rule_that_forbids() {
    let text = format!("{DEVS}\n@id(\"freeze\") forbid(principal, action, resource);");
    let denial = connect(&text, &anna()).unwrap_err();
    assert_eq!(denial.shown_reason(), Reason::PolicyDenied);
    assert_eq!(
        denial.to_string(),
        "cluster/prod is denied by policy rule freeze; ask an admin for access"
    );
}

#[test]
fn a_missing_tier_is_named_with_the_lowest_that_suffices() {
    let text = format!(
        "{DEVS}\nforbid(principal, action, resource) unless {{ context.device.tier >= 3 }};"
    );
    let denial = connect(&text, &anna()).unwrap_err();
    let missing = MissingFactor::Tier {
        has: Tier::Identified,
        needs: Tier::Attested,
    };
    assert_eq!(denial.missing_factors(), [missing]);
    assert_eq!(denial.shown_reason(), Reason::TierTooLow);
    assert_eq!(
        denial.to_string(),
        "cluster/prod is denied by policy rule line 5; it needs a device of tier 3 (this one has tier 1); \
         use a device with stronger attestation"
    );
    let mut attested = anna();
    attested.tier = Tier::Attested;
    assert_eq!(connect(&text, &attested), Ok(vec!["devs-prod".to_owned()]));
}

#[test]
fn a_factor_in_a_rule_that_permits_is_named_with_that_rule() {
    let text =
        r#"@id("fresh") permit(principal, action, resource) when { context.sign_in.age_s < 600 };"#;
    let denial = connect(text, &anna()).unwrap_err();
    assert_eq!(
        denial.missing_factors(),
        [MissingFactor::SignIn {
            age: Duration::from_hours(1)
        }]
    );
    assert_eq!(denial.shown_reason(), Reason::SignInExpired);
    assert!(
        denial
            .to_string()
            .contains("policy rule fresh; it needs a fresh sign-in"),
        "{denial}"
    );
}

#[test]
fn two_missing_factors_are_both_named() {
    let text = r"permit(principal, action, resource) when { context.touched && context.device.tier == 4 };";
    let denial = connect(text, &anna()).unwrap_err();
    let tier = MissingFactor::Tier {
        has: Tier::Identified,
        needs: Tier::Measured,
    };
    assert_eq!(denial.missing_factors(), [tier, MissingFactor::Touch]);
    let mut touched = anna();
    (touched.touched, touched.tier) = (true, Tier::Measured);
    assert!(connect(text, &touched).is_ok());
}

#[test]
fn a_lone_missing_touch_asks_for_a_touch() {
    let text = "permit(principal, action, resource) when { context.touched };";
    assert_eq!(
        connect(text, &anna()).unwrap_err().reason(),
        Reason::TouchRequired
    );
}

#[test]
fn a_rule_that_fails_denies_even_if_another_permits() {
    let failing = "when { context.sign_in.age_s + 9223372036854775807 > 0 }";
    for effect in ["permit", "forbid"] {
        let text = format!("{DEVS}\n@id(\"sum\") {effect}(principal, action, resource) {failing};");
        let denial = connect(&text, &anna()).unwrap_err();
        assert_eq!(denial.reason(), Reason::PolicyError, "{effect}");
        assert_eq!(
            denial
                .rules()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["sum"]
        );
    }
    let groups = r#"permit(principal, action == Action::"assume", resource);"#;
    let text =
        format!("{groups}\nforbid(principal, action, resource == KubeGroup::\"a\") {failing};");
    assert_eq!(assume(&text, &["b"]), Ok(vec!["b".to_owned()]));
    assert_eq!(assume(&text, &["b", "a"]), Err(Reason::PolicyError));
}

#[test]
fn a_rule_that_fails_does_not_tell_a_stranger_that_the_target_exists() {
    let text = format!(
        "{DEVS}\n@id(\"sum\") forbid(principal, action, resource == Cluster::\"prod\") \
         when {{ context.sign_in.age_s + 9223372036854775807 > 0 }};"
    );
    let mut stranger = anna();
    stranger.groups.clear();
    let denial = connect(&text, &stranger).unwrap_err();
    assert_eq!(
        (denial.reason(), denial.shown_reason()),
        (Reason::PolicyError, Reason::UnknownOrForbidden)
    );
    assert!(!denial.to_string().contains("sum"), "{denial}");
    assert_eq!(
        connect(&text, &anna()).unwrap_err().shown_reason(),
        Reason::PolicyError
    );
}

#[test]
fn facts_reach_the_rules() {
    for (condition, allowed) in [
        (
            r#"context.source_address.isInRange(ip("192.0.2.0/24"))"#,
            true,
        ),
        (
            r#"context.source_address.isInRange(ip("198.51.100.0/24"))"#,
            false,
        ),
        (r#"context.time > datetime("2024-03-01T11:59:59Z")"#, true),
        (r#"context.time.toTime() < duration("12h")"#, false),
        (r#"principal == User::"anna@example.com""#, true),
        (r#"principal.id like "usr_*""#, true),
        (r#"context.device.id like "dev_*""#, true),
        (r#"resource is Cluster && resource.name == "prod""#, true),
        ("context.sign_in.age_s == 3600", true),
        ("context.device.tier == 1 && !context.touched", true),
    ] {
        let text = format!(
            "permit(principal, action == Action::\"connect\", resource) when {{ {condition} }};"
        );
        assert_eq!(connect(&text, &anna()).is_ok(), allowed, "{condition}");
    }
}

#[test]
fn an_ipv4_address_in_ipv6_is_an_ipv4_address() {
    let mut mapped = anna();
    mapped.source_address = "::ffff:192.0.2.7".parse().unwrap();
    let text = "permit(principal, action, resource) when { context.source_address.isIpv4() };";
    assert!(connect(text, &mapped).is_ok());
}

#[test]
fn a_service_is_in_its_cluster() {
    let policy =
        policy(r#"permit(principal, action == Action::"connect", resource in Cluster::"prod");"#);
    let allowed = |target: &str| {
        matches!(
            policy.decide(&anna(), &target.parse().unwrap()),
            Decision::Permit(_)
        )
    };
    assert!(allowed("service/prod/db") && allowed("cluster/prod"));
    assert!(!allowed("service/test/db") && !allowed("cluster/test"));
}

const GROUPS: &str = r#"
permit(principal in Group::"devs", action == Action::"assume", resource == KubeGroup::"view");
permit(principal in Group::"devs", action == Action::"assume", resource == KubeGroup::"edit")
when { resource in Cluster::"test" };
permit(principal in Group::"ops", action == Action::"assume", resource);
"#;

#[test]
fn only_groups_that_a_rule_gives_are_assumed() {
    assert_eq!(
        assume(GROUPS, &["admin", "edit", "view"]),
        Ok(vec!["view".to_owned()])
    );
    let at_test = policy(GROUPS)
        .asking(&anna())
        .assume(&"test".parse().unwrap(), &names(&["view", "edit", "view"]));
    assert_eq!(at_test.unwrap().groups(), names(&["view", "edit"]));
}

#[test]
fn no_group_at_all_is_a_denial() {
    assert_eq!(
        assume(GROUPS, &["admin", "edit"]),
        Err(Reason::PolicyDenied)
    );
    assert_eq!(assume(GROUPS, &[]), Err(Reason::PolicyDenied));
    assert_eq!(assume(DEVS, &["view"]), Err(Reason::PolicyDenied));
}

#[test]
fn a_group_that_lacks_a_factor_names_it() {
    let text = r#"permit(principal, action == Action::"assume", resource) when { context.device.tier > 1 };"#;
    assert_eq!(assume(text, &["view"]), Err(Reason::TierTooLow));
}

#[test]
fn k13_the_proxy_needs_a_rule_of_its_own() {
    let proxies = |text: &str, cluster: &str| {
        policy(text)
            .asking(&anna())
            .proxy(&cluster.parse().unwrap())
    };
    assert_eq!(
        proxies(DEVS, "prod").unwrap_err().reason(),
        Reason::PolicyDenied,
        "connect alone is not enough"
    );
    let rule = r#"permit(principal, action == Action::"proxy", resource == Cluster::"prod");"#;
    let named = format!("@id(\"pods\") {rule}");
    assert_eq!(
        proxies(&named, "prod").unwrap().rules()[0].name(),
        Some("pods")
    );
    assert!(proxies(rule, "test").is_err());
    let forbidden = format!("{rule} forbid(principal, action == Action::\"proxy\", resource);");
    assert!(proxies(&forbidden, "prod").is_err());
}

#[test]
fn a_rule_for_whatever_is_asked_for_counts_in_each_question_of_one_asking() {
    let text = r#"@id("all") permit (principal, action, resource);
@id("stale") forbid (principal, action, resource) when { context.sign_in.age_s > 100 };
@id("prod") forbid (principal, action, resource) when { resource == Cluster::"prod" };
@id("no-proxy") forbid (principal, action, resource) when { action == Action::"proxy" };"#;
    let policy = policy(text);
    let (prod, staging): (Name, Name) = ("prod".parse().unwrap(), "staging".parse().unwrap());
    let groups = names(&["view"]);
    let mut facts = anna();
    facts.sign_in_age = Duration::from_secs(99);
    let asking = policy.asking(&facts);
    let reaches = |cluster: &Name| asking.decide(&Target::Cluster(cluster.clone()));
    for _ in 0..2 {
        assert!(matches!(reaches(&staging), Decision::Permit(_)));
        assert!(matches!(reaches(&prod), Decision::Deny(_)));
        assert!(asking.assume(&prod, &groups).is_ok());
        assert!(asking.proxy(&staging).is_err());
    }
    facts.sign_in_age = Duration::from_secs(101);
    let asking = policy.asking(&facts);
    assert!(asking.assume(&staging, &groups).is_err());
    let denied = asking.decide(&Target::Cluster(staging));
    assert!(matches!(denied, Decision::Deny(denial) if denial.to_string().contains("stale")));
}

#[test]
fn rules_of_a_denial_are_shown_to_whom_some_rule_permits_and_to_nobody_else() {
    let denied = |text: &str| policy(text).asking(&anna()).proxy(&"prod".parse().unwrap());
    let forbid = r#"@id("no-proxy") forbid(principal, action == Action::"proxy", resource);"#;
    let permit = r#"permit(principal, action == Action::"proxy", resource);"#;
    let hidden = denied(forbid).unwrap_err();
    assert_eq!((hidden.rules().len(), hidden.shown_rules().len()), (1, 0));
    let shown = denied(&[permit, forbid].concat()).unwrap_err();
    assert_eq!(shown.shown_rules()[0].name(), Some("no-proxy"));
}
