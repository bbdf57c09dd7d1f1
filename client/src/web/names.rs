//! The browser's names for applications: made once for each service, and kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use adit_proto::target::Target;
use parking_lot::Mutex;

use crate::exit::Failure;
use crate::{private_file, random};

/// Random bytes of a name: 40 bits.
const RANDOM: usize = 5;
/// Their letters (RFC 4648, section 6, in lower case).
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// The longest label of the domain name system, in bytes.
const LABEL_MAX: usize = 63;

/// The names of one profile.
#[derive(Debug)]
pub struct Names {
    file: PathBuf,
    /// Label by target.
    known: Mutex<BTreeMap<String, String>>,
}

impl Names {
    /// Reads the names of the profile in `directory`.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn load(directory: &Path) -> Result<Self, Failure> {
        let file = directory.join("applications.json");
        let read = private_file::read(&file).map_err(Failure::new)?;
        let known = match read {
            None => BTreeMap::new(),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Failure::new(format!("{} is damaged: {error}", file.display()))
                    .repaired_by("remove it; applications get new names")
            })?,
        };
        Ok(Self {
            file,
            known: Mutex::new(known),
        })
    }

    /// The label of `target`, made if it has none.
    ///
    /// # Errors
    /// Without randomness, or when it cannot be kept.
    pub fn label(&self, target: &Target) -> Result<String, Failure> {
        let mut known = self.known.lock();
        let key = target.to_string();
        if let Some(label) = known.get(&key) {
            return Ok(label.clone());
        }
        let label = fresh(target)?;
        let mut more = known.clone();
        more.insert(key, label.clone());
        let text = serde_json::to_vec(&more).map_err(Failure::new)?;
        private_file::replace(&self.file, &text).map_err(Failure::new)?;
        *known = more;
        Ok(label)
    }

    /// Whose label it is.
    #[must_use]
    pub fn target(&self, label: &str) -> Option<Target> {
        let known = self.known.lock();
        let (target, _) = known.iter().find(|(_, known)| *known == label)?;
        target.parse().ok()
    }
}

fn fresh(target: &Target) -> Result<String, Failure> {
    let name = match target {
        Target::Cluster(name) | Target::Service { name, .. } => name.as_str(),
    };
    let bits = random::bytes::<RANDOM>()?
        .iter()
        .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let letters = (0..RANDOM * 8 / 5).map(|at| {
        let five = usize::try_from(bits >> (5 * at) & 31).unwrap_or_default();
        char::from(LETTERS.get(five).copied().unwrap_or_default())
    });
    let random: String = letters.collect();
    let room = LABEL_MAX - random.len() - 1;
    let name = name.get(..room).unwrap_or(name).trim_end_matches('-');
    Ok(format!("{name}-{random}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_once_for_each_service_and_kept() {
        let scratch = tempfile::tempdir().unwrap();
        let names = Names::load(scratch.path()).unwrap();
        let (one, other) = ("service/prod/wiki", "service/dev/wiki");
        let label = |names: &Names, target: &str| names.label(&target.parse().unwrap()).unwrap();
        let first = label(&names, one);
        let random = first.strip_prefix("wiki-").unwrap();
        assert!(random.len() == 8 && random.bytes().all(|byte| LETTERS.contains(&byte)));
        assert_ne!(label(&names, other), first);
        let again = Names::load(scratch.path()).unwrap();
        assert_eq!(label(&again, one), first);
        assert_eq!(again.target(&first).unwrap().to_string(), one);
        assert_eq!(again.target("wiki-aaaaaaaa"), None);
    }

    #[test]
    fn a_long_name_still_makes_a_label() {
        let scratch = tempfile::tempdir().unwrap();
        let names = Names::load(scratch.path()).unwrap();
        let name = format!("{}-{}", "a".repeat(53), "b".repeat(9));
        let target = format!("service/prod/{name}").parse().unwrap();
        let label = names.label(&target).unwrap();
        assert_eq!(label.len(), 53 + 1 + 8);
        assert!(label.len() <= LABEL_MAX);
    }
}
