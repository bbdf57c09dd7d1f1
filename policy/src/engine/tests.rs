mod decisions;
mod loading;
mod order;

use std::time::Duration;

use adit_proto::id::{DeviceId, UserId};
use adit_proto::time::UnixMillis;

use super::{CheckedPolicy, Denial, Facts, Tier};

/// Anna of `devs`, on a device in tier 1, signed in an hour ago, on 2024-03-01 at noon.
pub(crate) fn anna() -> Facts {
    Facts {
        user_id: UserId::from_parts(UnixMillis(1), [1; 10]),
        user: "anna@example.com".parse().unwrap(),
        groups: vec!["devs".to_owned()],
        device: DeviceId::from_parts(UnixMillis(1), [2; 10]),
        tier: Tier::Identified,
        sign_in_age: Duration::from_hours(1),
        source_address: "192.0.2.7".parse().unwrap(),
        now: UnixMillis(1_709_294_400_000),
        touched: false,
    }
}

fn policy(text: &str) -> CheckedPolicy {
    CheckedPolicy::parse(text).unwrap()
}

/// Connects to `cluster/prod`; names the rules that allow it.
fn connect(text: &str, facts: &Facts) -> Result<Vec<String>, Denial> {
    match policy(text).decide(facts, &"cluster/prod".parse().unwrap()) {
        super::Decision::Permit(permit) => {
            Ok(permit.rules().iter().map(ToString::to_string).collect())
        }
        super::Decision::Deny(denial) => Err(denial),
    }
}
