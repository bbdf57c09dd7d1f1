//! A small file system of its own under a folder, which can be filled.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::Launch;
use crate::scratch::scratch;

/// Its size in bytes: more than what a test's program keeps.
const BYTES: u64 = 48 << 20;
/// What takes the room.
const FILLER: &str = "filler";

/// An ext4 in a file. Dropping it unmounts it, with all that was written to it.
#[derive(Debug)]
pub struct Volume {
    folder: PathBuf,
}

impl Volume {
    /// Mounts one on `folder`, with what lies there. Nobody may use the folder meanwhile.
    ///
    /// # Errors
    /// When it cannot be made or mounted.
    pub fn under(folder: &Path) -> Result<Self> {
        let at = scratch()?.folder("volume")?;
        let (image, first) = (at.join("image"), at.join("first"));
        File::create(&image)?.set_len(BYTES)?;
        fs::create_dir(&first)?;
        let mkfs = ["-q", "-m", "0", "-b", "4096"];
        Launch::new("mkfs.ext4")
            .args(mkfs)
            .arg(&image)
            .run()?
            .ok()?;
        mount(&image, &first)?;
        let copied = copy(folder, &first);
        unmount(&first)?;
        copied?;
        mount(&image, folder)?;
        let folder = folder.to_owned();
        Ok(Self { folder })
    }

    /// Takes all the room that is left.
    ///
    /// # Errors
    /// When something else than its end stops that.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::create(self.folder.join(FILLER))?;
        let block = vec![0xff; 1 << 20];
        let mut size = block.len();
        while size > 0 {
            match file.write_all(block.get(..size).unwrap_or_default()) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
                Err(error) => bail!("fill {}: {error}", self.folder.display()),
            }
        }
        file.sync_all().context("sync what takes the room")
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// When it was not taken.
    pub fn empty(&self) -> Result<()> {
        fs::remove_file(self.folder.join(FILLER)).context("give the room back")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // The reaper does it once more.
        let _ = unmount(&self.folder);
    }
}

fn mount(image: &Path, folder: &Path) -> Result<()> {
    let mount = Launch::new("mount").args(["-o", "loop"]);
    mount.arg(image).arg(folder).run()?.ok().map(drop)
}

/// Whoever still has a file open there keeps it until the end.
fn unmount(folder: &Path) -> Result<()> {
    let unmount = Launch::new("umount").arg("--lazy").arg(folder);
    unmount.run()?.ok().map(drop)
}

/// Copies what lies in `from`, with its modes.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::remove_dir(to.join("lost+found"))?;
    let all = from.join(".");
    let copy = Launch::new("cp").arg("--archive").arg(all).arg(to);
    copy.run()?.ok().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_keeps_what_lay_there_and_can_be_filled_and_emptied() {
        let folder = scratch().unwrap().folder("filled").unwrap();
        fs::write(folder.join("kept"), "kept").unwrap();
        let volume = Volume::under(&folder).unwrap();
        assert_eq!(fs::read_to_string(folder.join("kept")).unwrap(), "kept");
        volume.fill().unwrap();
        let more = fs::write(folder.join("more"), [0; 4096]).unwrap_err();
        assert_eq!(more.kind(), ErrorKind::StorageFull);
        volume.empty().unwrap();
        fs::write(folder.join("more"), [0; 4096]).unwrap();
        drop(volume);
        assert!(!folder.join("more").exists());
    }
}
