//! `adit profile`: which gateways this machine is enrolled with, and which one is meant where none is named.

mod remove;

use clap::Subcommand;
use serde_json::{Value, json};

use super::output;
use crate::agent::client::on_stderr;
use crate::cli::Global;
use crate::exit::Failure;
use crate::paths::Paths;
use crate::profile::{self, Profile, ProfileError, ProfileName};
use crate::statement::causes;

pub use remove::RemoveArgs;

/// What to do with profiles.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// List them: gateway, user, device, and which one is the default
    List,
    /// Make one the default
    Use {
        /// The profile
        name: ProfileName,
    },
    /// Sign out, and remove key, state and kubeconfig contexts of one from this machine
    Remove(RemoveArgs),
}

impl ProfileCommand {
    /// Does it.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let paths = global.paths()?;
        match self {
            Self::List => list(&paths, global.json),
            Self::Use { name } => {
                profile::make_default(&paths, &name)?;
                if global.json {
                    return output::print_json(&json!({"name": name, "default": true}));
                }
                on_stderr(&format!("{name} is the default profile."));
                Ok(())
            }
            Self::Remove(args) => args.run(&paths, global.json).await,
        }
    }
}

fn list(paths: &Paths, as_json: bool) -> Result<(), Failure> {
    let rows = rows(paths)?;
    let troubles = rows.iter().filter_map(|row| row.get("trouble")?.as_str());
    troubles.for_each(on_stderr);
    if rows.is_empty() && !as_json {
        on_stderr("This machine is not enrolled with a gateway; `adit enrol` does that.");
    }
    let columns = [
        ("NAME", "/name"),
        ("GATEWAY", "/gateway"),
        ("USER", "/user_id"),
        ("DEVICE", "/device_id"),
        ("DEFAULT", "/default"),
    ];
    output::list(as_json, &Value::Array(rows), "", &columns)
}

/// One row a profile; one that is damaged is shown all the same, so that it can be removed.
fn rows(paths: &Paths) -> Result<Vec<Value>, ProfileError> {
    let default = profile::choose(paths, None).ok();
    let row = |name: ProfileName| {
        let is_default = default.as_ref() == Some(&name);
        match Profile::load(paths, &name) {
            Ok(profile) => json!({
                "name": name,
                "gateway": profile.gateway.to_string(),
                "user_id": profile.user.to_string(),
                "device_id": profile.device.to_string(),
                "default": is_default,
            }),
            Err(error) => json!({
                "name": name, "default": is_default, "trouble": causes(&error),
            }),
        }
    };
    Ok(profile::list(paths)?.into_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private_file;
    use crate::profile::tests::{paths, profile};

    #[test]
    fn the_list_marks_the_default_and_shows_a_damaged_profile() {
        let scratch = tempfile::tempdir().unwrap();
        let paths = paths(scratch.path());
        assert!(rows(&paths).unwrap().is_empty());
        let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
        profile().save(&paths, &one).unwrap();
        assert_eq!(rows(&paths).unwrap()[0]["default"], true, "the only one");
        profile().save(&paths, &two).unwrap();
        let defaults = |rows: Vec<Value>| -> Vec<Value> {
            rows.into_iter().map(|row| row["default"].clone()).collect()
        };
        assert_eq!(defaults(rows(&paths).unwrap()), [false, false]);
        profile::make_default(&paths, &two).unwrap();
        assert_eq!(defaults(rows(&paths).unwrap()), [false, true]);
        private_file::replace(&paths.profile(&one).join("profile.json"), b"{").unwrap();
        let rows = rows(&paths).unwrap();
        assert!(rows[0]["trouble"].as_str().unwrap().contains("one"));
        assert_eq!(rows[1]["gateway"], "gw.example.org:443");
        assert_eq!(rows[1]["device_id"], profile().device.to_string());
    }

    #[test]
    fn a_default_that_does_not_exist_is_refused_with_the_command_that_lists() {
        let scratch = tempfile::tempdir().unwrap();
        let refused = profile::make_default(&paths(scratch.path()), &"gone".parse().unwrap());
        let failure = Failure::from(refused.unwrap_err());
        assert!(failure.message.contains("gone"), "{failure}");
        assert!(
            failure.to_string().contains("adit profile list"),
            "{failure}"
        );
    }
}
