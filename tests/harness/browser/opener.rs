//! What a client under test opens instead of a person's browser.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use parking_lot::Mutex;

use crate::scratch::scratch;
use crate::wait;

/// A program for the environment variable `BROWSER`: it keeps a copy of each file that it is asked to open.
///
/// A copy, because a client removes its file when it needs it no more.
#[derive(Debug)]
pub struct Opener {
    folder: PathBuf,
    program: PathBuf,
    taken: Mutex<usize>,
}

impl Opener {
    /// Makes the program, in a folder of its own.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn new() -> Result<Self> {
        let folder = scratch()?.folder("browser")?;
        // Of two that run at once each makes a name of its own, and a copy counts when it has its last name.
        let script = format!(
            "#!/bin/sh\nset -eu\numask 077\ncd '{}'\nn=$(date +%s%N)-$$\ncat \"$1\" >\"$n.part\"\nmv \"$n.part\" \"$n.html\"\n",
            folder.display()
        );
        let program = folder.join("open");
        fs::write(&program, script)?;
        fs::set_permissions(&program, Permissions::from_mode(0o755))?;
        Ok(Self {
            folder,
            program,
            taken: Mutex::new(0),
        })
    }

    /// What `BROWSER` is set to.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// How many files were opened so far.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn opened(&self) -> Result<usize> {
        Ok(self.copies()?.len())
    }

    /// Waits for the next file that is opened, and returns the address of its copy.
    ///
    /// # Errors
    /// When none is opened within `bound`.
    pub fn next(&self, bound: Duration) -> Result<String> {
        wait::until("a page that is opened", bound, || self.try_next())
    }

    /// The address of the copy of the next file, if it was opened already.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn try_next(&self) -> Result<Option<String>> {
        let mut taken = self.taken.lock();
        let Some(copy) = self.copies()?.into_iter().nth(*taken) else {
            return Ok(None);
        };
        *taken += 1;
        Ok(Some(format!("file://{}", copy.display())))
    }

    fn copies(&self) -> Result<Vec<PathBuf>> {
        let mut copies = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "html")
            {
                copies.push(path);
            }
        }
        copies.sort();
        Ok(copies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Launch;

    #[test]
    fn what_is_opened_is_kept_in_order() {
        let opener = Opener::new().unwrap();
        let file = scratch().unwrap().folder("opened").unwrap().join("x");
        for text in ["one", "two"] {
            fs::write(&file, text).unwrap();
            Launch::new(opener.program())
                .arg(&file)
                .run()
                .unwrap()
                .ok()
                .unwrap();
        }
        for text in ["one", "two"] {
            let address = opener.next(Duration::from_secs(5)).unwrap();
            let path = address.strip_prefix("file://").unwrap();
            assert_eq!(fs::read_to_string(path).unwrap(), text);
        }
        assert_eq!(opener.opened().unwrap(), 2);
    }
}
