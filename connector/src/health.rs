//! Health without a listener: the process writes a file again and again, and the probe reads it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Boot;

/// How often the file is written.
const EVERY: Duration = Duration::from_secs(2);
/// A file that is older says that the process hangs.
const STALE: Duration = Duration::from_secs(15);

/// How the connector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// At least one gateway knows it.
    Registered,
    /// It runs, and no gateway knows it at the moment.
    Alone,
    /// It ends.
    Draining,
}

impl Beat {
    /// As it stands in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Alone => "alone",
            Self::Draining => "draining",
        }
    }
}

/// Why health is not known.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The file, or its directory.
    #[error("{} cannot be used", path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is in it was not written by a connector.
    #[error("{} is no health file", path.display())]
    Malformed {
        /// The path.
        path: PathBuf,
    },
    /// It was not written for long: the process has ended or hangs.
    #[error("the connector was last alive {} s ago", ago.as_secs())]
    Stale {
        /// How long ago.
        ago: Duration,
    },
}

/// Writes the file.
#[derive(Debug)]
pub struct Heart {
    path: PathBuf,
    last: Mutex<Option<(Boot, Beat)>>,
}

impl Heart {
    /// Makes the state directory, where the file lies.
    ///
    /// # Errors
    /// [`HealthError::File`].
    pub fn new(state_dir: &Path) -> Result<Self, HealthError> {
        fs::create_dir_all(state_dir).map_err(|source| HealthError::File {
            path: state_dir.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path(state_dir),
            last: Mutex::new(None),
        })
    }

    /// Says how it is, if that changed or two seconds have passed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn beat(&self, now: Boot, beat: Beat) -> io::Result<()> {
        let mut last = self.last.lock();
        if last.is_some_and(|(at, before)| before == beat && now.since(at) < EVERY) {
            return Ok(());
        }
        // In place and of one length: a full disk takes it, and whoever is alive on a full disk is not restarted.
        let text = format!("{:020} {:<10}", now.0.as_millis(), beat.as_str());
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.path)?;
        file.write_all_at(text.as_bytes(), 0)?;
        *last = Some((now, beat));
        Ok(())
    }
}

/// Reads how the connector with this state directory is: the text of its last [`Beat`].
///
/// # Errors
/// [`HealthError`] when it has not been alive for 15 s.
pub fn probe(state_dir: &Path, now: Boot) -> Result<String, HealthError> {
    let path = path(state_dir);
    let text = fs::read_to_string(&path).map_err(|source| HealthError::File {
        path: path.clone(),
        source,
    })?;
    let (at, beat) = text
        .split_once(' ')
        .and_then(|(at, beat)| Some((at.parse().ok()?, beat)))
        .ok_or(HealthError::Malformed { path })?;
    let ago = now.since(Boot(Duration::from_millis(at)));
    if ago > STALE {
        return Err(HealthError::Stale { ago });
    }
    Ok(beat.trim_end().to_owned())
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("health")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Boot {
        Boot(Duration::from_secs(seconds))
    }

    #[test]
    fn a_probe_reads_the_last_beat_and_fails_when_there_are_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            probe(dir.path(), at(0)),
            Err(HealthError::File { .. })
        ));
        let heart = Heart::new(dir.path()).unwrap();
        heart.beat(at(100), Beat::Alone).unwrap();
        heart.beat(at(101), Beat::Registered).unwrap();
        assert_eq!(probe(dir.path(), at(110)).unwrap(), "registered");
        assert!(matches!(
            probe(dir.path(), at(117)),
            Err(HealthError::Stale { .. })
        ));
    }

    #[test]
    fn f25_a_beat_takes_no_room_that_the_one_before_it_did_not_have() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let heart = Heart::new(dir.path()).unwrap();
        let taken = || {
            let entries = fs::read_dir(dir.path()).unwrap();
            let taken = entries.map(|entry| entry.unwrap().metadata().unwrap());
            taken.map(|it| (it.ino(), it.len())).collect::<Vec<_>>()
        };
        heart.beat(at(9), Beat::Registered).unwrap();
        let before = taken();
        for (seconds, beat) in [(10_000, Beat::Alone), (10_001, Beat::Draining)] {
            heart.beat(at(seconds), beat).unwrap();
            assert_eq!(taken(), before);
            assert_eq!(probe(dir.path(), at(seconds)).unwrap(), beat.as_str());
        }
    }
}
