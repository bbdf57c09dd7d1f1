//! How long a decision takes under a long policy.

use std::fmt::Write;
use std::hint::black_box;
use std::time::Duration;

use adit_policy::engine::Tier;
use adit_policy::{CheckedPolicy, Decision, Facts, KubeGroupName};
use adit_proto::id::{DeviceId, UserId};
use adit_proto::target::{Name, Target};
use adit_proto::testing::START;
use anyhow::{Result, ensure};
use tokio::time::Instant;

use crate::figure::{Figure, median};

const ROUNDS: usize = 7;
const REQUESTS: u32 = 2_000;
/// Teams with a cluster each, which they may reach, and where they are somebody.
const TEAMS: usize = 90;
/// Rules that forbid under a condition and concern everybody.
const FORBIDS: usize = 20;

/// `policy.decision`: whether somebody may reach a cluster, and which of two groups they are in there, under 200 rules.
pub(crate) fn decision() -> Result<Vec<Figure>> {
    let policy = CheckedPolicy::parse(&rules()?)?;
    let facts = somebody()?;
    let cluster: Name = "cluster-7".parse()?;
    let target = Target::Cluster(cluster.clone());
    let groups: [KubeGroupName; 2] = ["adit-view".parse()?, "adit-edit".parse()?];
    let mut spans = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..REQUESTS {
            let (facts, target) = black_box((&facts, &target));
            let asking = policy.asking(facts);
            let reached = asking.decide(target);
            ensure!(matches!(reached, Decision::Permit(_)), "{reached:?}");
            let assumed = asking.assume(&cluster, &groups);
            ensure!(
                matches!(&assumed, Ok(it) if it.groups().len() == 1),
                "{assumed:?}"
            );
        }
        spans.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(REQUESTS));
    }
    let value = median(spans);
    Ok(vec![Figure::plain("policy.decision", "us", value, ROUNDS)])
}

fn rules() -> Result<String> {
    let mut text = String::new();
    for number in 0..TEAMS {
        writeln!(
            text,
            r#"@id("reach-{number}")
permit (principal in Group::"team-{number}", action == Action::"connect", resource == Cluster::"cluster-{number}");
@id("view-{number}")
permit (principal in Group::"team-{number}", action == Action::"assume", resource == KubeGroup::"adit-view")
when {{ context.sign_in.age_s < 86400 }};"#
        )?;
    }
    for number in 0..FORBIDS {
        writeln!(
            text,
            r#"@id("stale-{number}")
forbid (principal, action, resource) when {{ context.sign_in.age_s > {} && context.device.tier < 2 }};"#,
            50_000 + number
        )?;
    }
    Ok(text)
}

fn somebody() -> Result<Facts> {
    Ok(Facts {
        user_id: UserId::from_parts(START, [1; 10]),
        user: "ben@example.org".parse()?,
        groups: vec!["team-7".to_owned(), "engineers".to_owned()],
        device: DeviceId::from_parts(START, [2; 10]),
        tier: Tier::Identified,
        sign_in_age: Duration::from_hours(1),
        source_address: "192.0.2.7".parse()?,
        now: START,
        touched: false,
    })
}
