//! Profiles: one for each gateway that this machine is enrolled with.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use adit_proto::address::{AddressError, HostPort};
use adit_proto::id::{DeviceId, UserId};
use adit_proto::key::Fingerprint;
use adit_proto::label::Hash;
use adit_proto::target::Name;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::exit::Failure;
use crate::paths::Paths;
use crate::private_file::{self, PrivateFileError};
use crate::statement::causes;

mod removal;

pub use removal::Removed;

/// Names the profile that is used when none is given.
const IN_USE: &str = "profile";
/// What a directory beside the profiles is called.
const RESERVED: &str = "run";

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// This machine is not enrolled.
    #[error("this machine is not enrolled with a gateway")]
    None,
    /// There are several and none was chosen.
    #[error("there are several profiles ({0}) and none is chosen")]
    Several(String),
    /// There is none of that name.
    #[error("there is no profile {0}")]
    Unknown(ProfileName),
    /// The text is no name of a profile.
    #[error("a profile's name has lower-case letters, digits and inner hyphens, and is not `run`")]
    Name,
    /// Its file is damaged.
    #[error("the profile {0} cannot be read: {1}")]
    Damaged(ProfileName, String),
    /// A file cannot be used.
    #[error("the files of a profile cannot be used")]
    File(#[from] PrivateFileError),
}

impl ProfileError {
    /// What the person can do about it.
    #[must_use]
    pub fn repair(&self) -> &'static str {
        match self {
            Self::None => "ask an admin for an invitation and run `adit enrol`",
            Self::Several(_) => {
                "add --profile NAME, or choose one for good by `adit profile use NAME`"
            }
            Self::Unknown(_) => "run `adit profile list` to see which there are",
            Self::Name => "use the name that `adit profile list` shows",
            Self::Damaged(..) => {
                "run `adit profile remove NAME`, ask an admin for an invitation and run `adit enrol`"
            }
            Self::File(_) => "repair the files' owner and mode, as the message says",
        }
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        Self::new(causes(&error)).repaired_by(error.repair())
    }
}

/// The name of a profile: one lower-case DNS label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProfileName(String);

impl ProfileName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProfileName {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        let name: Name = text.parse().map_err(|_| ProfileError::Name)?;
        if name.as_str() == RESERVED || name.as_str() == IN_USE {
            return Err(ProfileError::Name);
        }
        Ok(Self(name.as_str().to_owned()))
    }
}

impl TryFrom<String> for ProfileName {
    type Error = ProfileError;

    fn try_from(text: String) -> Result<Self, ProfileError> {
        text.parse()
    }
}

impl From<ProfileName> for String {
    fn from(name: ProfileName) -> Self {
        name.0
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What this machine knows of its gateway and of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The gateway's host and port.
    pub gateway: HostPort,
    /// Fingerprints of the gateways' key and of its named successor.
    pub gateways_keys: (Fingerprint, Fingerprint),
    /// Hash of the genesis statement.
    pub genesis: Hash,
    /// Who enrolled.
    pub user: UserId,
    /// This machine.
    pub device: DeviceId,
}

/// `profile.json` as written.
#[derive(Serialize, Deserialize)]
struct ProfileFile {
    gateway: String,
    gateways_key: String,
    gateways_next_key: String,
    genesis: String,
    user_id: String,
    device_id: String,
}

impl From<&Profile> for ProfileFile {
    fn from(profile: &Profile) -> Self {
        Self {
            gateway: profile.gateway.to_string(),
            gateways_key: profile.gateways_keys.0.to_string(),
            gateways_next_key: profile.gateways_keys.1.to_string(),
            genesis: STANDARD.encode(profile.genesis),
            user_id: profile.user.to_string(),
            device_id: profile.device.to_string(),
        }
    }
}

impl TryFrom<ProfileFile> for Profile {
    type Error = String;

    fn try_from(file: ProfileFile) -> Result<Self, String> {
        let key = |text: &str| {
            text.parse()
                .map_err(|_| format!("{text} is no fingerprint"))
        };
        let genesis = STANDARD.decode(&file.genesis).ok();
        Ok(Self {
            gateway: file
                .gateway
                .parse()
                .map_err(|error: AddressError| format!("gateway: {error}"))?,
            gateways_keys: (key(&file.gateways_key)?, key(&file.gateways_next_key)?),
            genesis: genesis
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or("genesis is not the base64 of 32 bytes")?,
            user: file.user_id.parse().map_err(|_| "user_id is no id")?,
            device: file.device_id.parse().map_err(|_| "device_id is no id")?,
        })
    }
}

impl Profile {
    /// Reads the profile in `directory`.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn load(paths: &Paths, name: &ProfileName) -> Result<Self, ProfileError> {
        let bytes = private_file::read(&file_of(&paths.profile(name)))?
            .ok_or_else(|| ProfileError::Unknown(name.clone()))?;
        let damaged = |why: String| ProfileError::Damaged(name.clone(), why);
        let file: ProfileFile =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        file.try_into().map_err(damaged)
    }

    /// Writes the profile and makes its directory. From now on this machine counts as enrolled.
    ///
    /// # Errors
    /// What the system said.
    pub fn save(&self, paths: &Paths, name: &ProfileName) -> Result<(), ProfileError> {
        let directory = paths.profile(name);
        private_file::directory(&directory)?;
        let text = serde_json::to_vec_pretty(&ProfileFile::from(self)).unwrap_or_default();
        Ok(private_file::replace(&file_of(&directory), &text)?)
    }
}

/// The device key of a profile, in a file of mode 0600.
#[must_use]
pub fn key_file(paths: &Paths, name: &ProfileName) -> std::path::PathBuf {
    paths.profile(name).join("device.key")
}

fn file_of(directory: &Path) -> std::path::PathBuf {
    directory.join("profile.json")
}

/// Lists the profiles, by name.
///
/// # Errors
/// What the system said.
pub fn list(paths: &Paths) -> Result<Vec<ProfileName>, ProfileError> {
    let unreadable = |source| PrivateFileError::Io {
        operation: "list",
        path: paths.state().to_owned(),
        source,
    };
    let entries = std::fs::read_dir(paths.state()).map_err(unreadable)?;
    let mut names: Vec<ProfileName> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|name| file_of(&paths.profile(name)).exists())
        .collect();
    names.sort();
    Ok(names)
}

/// Chooses the profile: the one that is asked for, else the one in use, else the only one.
///
/// # Errors
/// [`ProfileError`].
pub fn choose(paths: &Paths, asked: Option<&ProfileName>) -> Result<ProfileName, ProfileError> {
    let names = list(paths)?;
    let known = |name: &ProfileName| names.contains(name);
    if let Some(name) = asked {
        return known(name)
            .then(|| name.clone())
            .ok_or_else(|| ProfileError::Unknown(name.clone()));
    }
    if let Some(name) = in_use(paths)?.filter(known) {
        return Ok(name);
    }
    match names.as_slice() {
        [] => Err(ProfileError::None),
        [only] => Ok(only.clone()),
        several => {
            let names: Vec<_> = several.iter().map(ProfileName::as_str).collect();
            Err(ProfileError::Several(names.join(", ")))
        }
    }
}

/// The profile that was made the default, whether it is still there or not.
fn in_use(paths: &Paths) -> Result<Option<ProfileName>, ProfileError> {
    let written = private_file::read(&paths.state().join(IN_USE))?;
    Ok(written.and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok()))
}

/// Makes `name` the profile that is used when none is given.
///
/// # Errors
/// [`ProfileError::Unknown`], or what the system said.
pub fn make_default(paths: &Paths, name: &ProfileName) -> Result<(), ProfileError> {
    choose(paths, Some(name))?;
    Ok(private_file::replace(
        &paths.state().join(IN_USE),
        name.as_str().as_bytes(),
    )?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use adit_proto::time::UnixMillis;

    /// Paths below a directory of the test.
    pub(crate) fn paths(scratch: &Path) -> Paths {
        Paths::find(|name| (name == "HOME").then(|| scratch.as_os_str().to_owned())).unwrap()
    }

    pub(crate) fn profile() -> Profile {
        Profile {
            gateway: "gw.example.org:443".parse().unwrap(),
            gateways_keys: (Fingerprint([1; 32]), Fingerprint([2; 32])),
            genesis: [3; 32],
            user: UserId::from_parts(UnixMillis(1), [4; 10]),
            device: DeviceId::from_parts(UnixMillis(1), [5; 10]),
        }
    }

    #[test]
    fn a_profile_reads_back_and_the_only_one_is_chosen() {
        let scratch = tempfile::tempdir().unwrap();
        let paths = paths(scratch.path());
        assert!(matches!(choose(&paths, None), Err(ProfileError::None)));
        let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
        profile().save(&paths, &one).unwrap();
        assert_eq!(Profile::load(&paths, &one).unwrap(), profile());
        assert_eq!(choose(&paths, None).unwrap(), one);
        profile().save(&paths, &two).unwrap();
        assert!(matches!(
            choose(&paths, None),
            Err(ProfileError::Several(_))
        ));
        make_default(&paths, &two).unwrap();
        assert_eq!(choose(&paths, None).unwrap(), two);
        assert_eq!(choose(&paths, Some(&one)).unwrap(), one);
    }

    #[test]
    fn names_that_leave_the_directory_are_no_names() {
        for text in ["", "..", "a/b", "run", "profile", "A", "a.b", "-a"] {
            assert!(text.parse::<ProfileName>().is_err(), "{text}");
        }
    }
}
