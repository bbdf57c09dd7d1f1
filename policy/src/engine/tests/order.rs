//! Rules in any order decide alike, and a rule that forbids wins.

use adit_proto::target::Target;
use proptest::prelude::*;

use super::super::{Decision, Tier};
use super::{anna, policy};

const CONDITIONS: [&str; 6] = [
    "true",
    "context.device.tier >= 3",
    "context.sign_in.age_s < 600",
    "principal in Group::\"devs\"",
    "principal in Group::\"ops\"",
    "resource == Cluster::\"prod\"",
];

fn rule() -> impl Strategy<Value = String> {
    (prop::bool::weighted(0.7), prop::sample::select(CONDITIONS.to_vec())).prop_map(|(permits, condition)| {
        let effect = if permits { "permit" } else { "forbid" };
        format!("{effect}(principal, action == Action::\"connect\", resource) when {{ {condition} }};")
    })
}

fn holds(rule: &str, tier: Tier) -> bool {
    let condition = rule
        .split("when { ")
        .nth(1)
        .unwrap()
        .trim_end_matches(" };");
    match condition {
        "context.device.tier >= 3" => tier >= Tier::Attested,
        "context.sign_in.age_s < 600" | "principal in Group::\"ops\"" => false,
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn p5_rules_in_any_order_decide_alike_and_deny_wins(
        (rules, shuffled) in prop::collection::vec(rule(), 1..8)
            .prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
        tier in prop::sample::select(Tier::ALL.to_vec()),
    ) {
        let target: Target = "cluster/prod".parse().unwrap();
        let mut facts = anna();
        facts.tier = tier;
        let decide = |rules: &[String]| match policy(&rules.join("\n")).decide(&facts, &target) {
            Decision::Permit(_) => Ok(()),
            Decision::Deny(denial) => Err((denial.reason(), denial.shown_reason(), denial.missing_factors().to_vec())),
        };
        let decided = decide(&rules);
        prop_assert_eq!(&decided, &decide(&shuffled));
        let applies = |effect: &str| rules.iter().any(|rule| rule.starts_with(effect) && holds(rule, tier));
        prop_assert_eq!(decided.is_ok(), applies("permit") && !applies("forbid"));
    }
}
