//! Whether this program is older than what it talks to.

use semver::Version;

/// Where the gateway says which version it is, in its answer to `/v1/whoami` (RFC 6901).
pub const TOLD_AT: &str = "/gateway/version";

/// What to tell somebody whose program is older than the gateway. `None` if it is not, or if the gateway tells no version.
#[must_use]
pub fn outdated(gateway: &str) -> Option<String> {
    older(env!("CARGO_PKG_VERSION"), gateway)
}

fn older(own: &str, gateway: &str) -> Option<String> {
    let (ours, theirs) = (Version::parse(own).ok()?, Version::parse(gateway).ok()?);
    let told = || format!("this is adit {ours}, and the gateway is {theirs}");
    (ours < theirs).then(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_older_program_is_told_so() {
        for (own, gateway, told) in [
            ("0.9.0", "0.10.0", true),
            ("1.0.0-rc.1", "1.0.0", true),
            ("1.0.0", "1.0.0", false),
            ("1.1.0", "1.0.9", false),
            ("1.0.0", "", false),
            ("1.0.0", "\u{1b}[2J9.0.0", false),
        ] {
            assert_eq!(older(own, gateway).is_some(), told, "{own} {gateway}");
        }
    }
}
