//! The recovery key: an SSH key that is kept offline and can replace all admins.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::{private_file, random};

/// What the file of a private key begins with (PROTOCOL.key of OpenSSH, and PEM in general).
const PRIVATE: &str = "-----BEGIN";
/// Longest file that is read.
const FILE_MAX: usize = 64 << 10;

/// The public half, and where the private half lies if it was made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryKey {
    /// The OpenSSH public key line.
    pub line: String,
    /// The private half, which has to be taken away.
    pub private: Option<PathBuf>,
}

/// Reads the public key in `file`, or makes a key pair there if there is no such file.
///
/// A file with a private key stands for the public key beside it, so that an enrolment that was cut off can be repeated.
///
/// # Errors
/// A failure that names the file.
pub fn read_or_make(file: &Path) -> Result<RecoveryKey, Failure> {
    let text = match fs::read_to_string(file) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return make(file),
        Err(error) => return Err(unreadable(file, &error)),
    };
    if !text.starts_with(PRIVATE) {
        let line = parse(file, &text)?;
        return Ok(RecoveryKey {
            line,
            private: None,
        });
    }
    let public = public_of(file);
    let text = fs::read_to_string(&public).map_err(|error| {
        unreadable(&public, &error).repaired_by(format!(
            "{} is a private key: name its public half",
            file.display()
        ))
    })?;
    let line = parse(&public, &text)?;
    let private = Some(file.to_owned());
    Ok(RecoveryKey { line, private })
}

fn parse(file: &Path, text: &str) -> Result<String, Failure> {
    let line = text.trim();
    let bounded = text.len() <= FILE_MAX && !line.chars().any(char::is_control);
    let parsed = bounded.then(|| PublicKey::from_openssh(line));
    match parsed {
        Some(Ok(_)) => Ok(line.to_owned()),
        Some(Err(_)) | None => Err(Failure::new(format!(
            "{} is not one OpenSSH public key",
            file.display()
        ))
        .repaired_by("name a file with one line that begins with ssh-ed25519")),
    }
}

fn make(file: &Path) -> Result<RecoveryKey, Failure> {
    let failed =
        |error: ssh_key::Error| Failure::new(format!("the recovery key cannot be made: {error}"));
    let seed = Zeroizing::new(random::bytes::<32>()?);
    let pair = KeypairData::from(Ed25519Keypair::from_seed(&seed));
    let private = PrivateKey::new(pair, "adit recovery key").map_err(failed)?;
    let line = private.public_key().to_openssh().map_err(failed)?;
    let text = private.to_openssh(LineEnding::LF).map_err(failed)?;
    let public = public_of(file);
    let written = private_file::create(file, text.as_bytes())
        .map_err(|error| Failure::new(crate::statement::causes(&error)))?;
    if !written {
        return Err(Failure::new(format!(
            "{} was made meanwhile",
            file.display()
        )));
    }
    fs::write(&public, format!("{line}\n")).map_err(|error| {
        Failure::new(format!("{} cannot be written: {error}", public.display()))
    })?;
    let private = Some(file.to_owned());
    Ok(RecoveryKey { line, private })
}

fn public_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{} cannot be read: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_its_private_half_is_private() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("recovery");
        let made = read_or_make(&file).unwrap();
        assert!(made.line.starts_with("ssh-ed25519 "), "{}", made.line);
        assert_eq!(made.private.as_deref(), Some(file.as_path()));
        let bits = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(bits & 0o7777, 0o600);
        assert_eq!(
            read_or_make(&file).unwrap(),
            made,
            "a repeat takes the same key"
        );
        let read = read_or_make(&public_of(&file)).unwrap();
        assert_eq!((read.line, read.private), (made.line.clone(), None));
        let private = PrivateKey::from_openssh(fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(private.public_key().to_openssh().unwrap(), made.line);
    }

    #[test]
    fn other_files_and_a_private_key_alone_are_refused_by_name() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("notes");
        for text in [
            "",
            "hello",
            "ssh-ed25519 AAAA\nssh-ed25519 AAAA",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ] {
            fs::write(&file, text).unwrap();
            let failure = read_or_make(&file).unwrap_err();
            assert!(failure.message.contains("notes"), "{failure}");
        }
    }
}
