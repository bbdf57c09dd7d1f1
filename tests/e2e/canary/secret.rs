//! The secret of an invitation in every shape in which it could leak, and the search for it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use adit_harness::scratch::scratch;
use adit_proto::invitation::Invitation;
use adit_proto::label::INVITATION;
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// Folders of the scratch folder that hold nothing of Adit's but what the API server's audit log has: the control plane
/// of the tests is large and shared.
const ELSEWHERE: [&str; 1] = ["cluster-"];

/// What must not be seen, each with what it is.
pub(super) struct Canary {
    needles: Vec<(String, Vec<u8>)>,
}

impl Canary {
    /// The seed of an invitation, and the key that is made from it.
    pub(super) fn of(invitation: &str) -> Result<Self> {
        let encoded = invitation.strip_prefix("adit1-").context("an invitation")?;
        let content = URL_SAFE_NO_PAD.decode(encoded)?;
        let seed = content.get(1..17).context("a seed")?;
        let mut key = [0; 32];
        let info = [INVITATION.as_bytes()];
        let expanded = Salt::new(HKDF_SHA256, &[]).extract(seed);
        let expanded = expanded.expand(&info, HKDF_SHA256).ok().context("a key")?;
        expanded.fill(&mut key).ok().context("32 bytes")?;
        // That both were found where they are: the product makes the same key of the text.
        let pair = Ed25519KeyPair::from_seed_unchecked(&key)
            .ok()
            .context("a pair")?;
        let product = Invitation::parse(invitation)?.key();
        ensure!(pair.public_key().as_ref() == product.public().as_bytes());
        let mut needles = vec![("the text".to_owned(), encoded.as_bytes().to_vec())];
        needles.extend(shapes("the seed", seed));
        needles.extend(shapes("the key", &key));
        Ok(Self { needles })
    }

    /// What of it is in `bytes`.
    pub(super) fn sings_in(&self, bytes: &[u8]) -> Option<&str> {
        let mut first = [false; 256];
        for (_, needle) in &self.needles {
            if let Some(byte) = needle.first() {
                first[usize::from(*byte)] = true;
            }
        }
        let at = bytes.iter().enumerate();
        at.filter(|(_, byte)| first[usize::from(**byte)])
            .find_map(|(at, _)| {
                let rest = &bytes[at..];
                let mut needles = self.needles.iter();
                needles.find(|(_, needle)| rest.starts_with(needle))
            })
            .map(|(what, _)| what.as_str())
    }

    /// The files of the scratch folder in which it is: the folder's name without its number, and the file's.
    pub(super) fn places(&self) -> Result<Vec<String>> {
        let mut places = Vec::new();
        self.walk(scratch()?.path(), &mut places)?;
        places.sort();
        Ok(places)
    }

    fn walk(&self, folder: &Path, places: &mut Vec<String>) -> Result<()> {
        // Other tests and the browser remove what is theirs meanwhile.
        let Some(entries) = still_there(fs::read_dir(folder))? else {
            return Ok(());
        };
        for entry in entries {
            let Some(entry) = still_there(entry)? else {
                continue;
            };
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let Some(kind) = still_there(entry.file_type())? else {
                continue;
            };
            if kind.is_dir() && !ELSEWHERE.iter().any(|other| name.starts_with(other)) {
                self.walk(&path, places)?;
            } else if kind.is_file()
                && let Some(bytes) = still_there(fs::read(&path))?
                && self.sings_in(&bytes).is_some()
            {
                let folder = folder.file_name().unwrap_or_default().to_string_lossy();
                let folder = folder.trim_end_matches(|it: char| it.is_ascii_digit());
                places.push(format!("{}/{name}", folder.trim_end_matches('-')));
            }
        }
        Ok(())
    }
}

fn still_there<T>(result: std::io::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Raw, in hexadecimal, as a list of numbers, and in base64 wherever in a longer text it begins.
fn shapes(what: &str, secret: &[u8]) -> Vec<(String, Vec<u8>)> {
    let hex: Vec<_> = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = hex.concat();
    let numbers: Vec<_> = secret.iter().map(u8::to_string).collect();
    let mut shapes = vec![
        (format!("{what}, raw"), secret.to_vec()),
        (
            format!("{what}, upper hexadecimal"),
            hex.to_uppercase().into_bytes(),
        ),
        (format!("{what}, hexadecimal"), hex.into_bytes()),
        (format!("{what}, numbers"), numbers.join(", ").into_bytes()),
        (format!("{what}, JSON"), numbers.join(",").into_bytes()),
    ];
    for before in 0..3 {
        let longer = [vec![0; before], secret.to_vec(), vec![0; 2]].concat();
        let (from, to) = ((8 * before).div_ceil(6), 8 * (before + secret.len()) / 6);
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&longer);
            let what = format!("{what}, base64 after {before}");
            shapes.push((what, text.as_bytes()[from..to].to_vec()));
        }
    }
    shapes
}
