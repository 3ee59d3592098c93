//! A disk that can lose its power.
//!
//! An ext4 file system on a loop device over a file in memory. The file holds what was written *through*: what a program
//! wrote and did not flush lies in the page cache above it. So a copy of the file, made while everything that writes stands
//! still, is what is left on the disk when the power goes at that moment; a program that acknowledged without a flush loses.
//! Mounted with `commit=300`, or the kernel would flush by itself every five seconds.
//!
//! What it does not show: a disk that lies about its own cache, or tears a sector.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::process::run;

/// Until nothing is written to a disk any more whose writers all stand still.
const QUIET: Duration = Duration::from_mins(1);

/// Unmounted and gone when dropped.
pub(crate) struct Disk {
    place: PathBuf,
    /// How often its power went.
    cuts: u32,
}

/// Why disks cannot be made here, if they cannot.
pub(crate) fn forbidden() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root may mount a file system");
    }
    if !Path::new("/dev/loop-control").exists() {
        return Some("there is no loop device");
    }
    None
}

impl Disk {
    /// An empty one. `place` is a folder that does not exist yet.
    pub(crate) fn create(place: &Path, megabytes: u32) -> anyhow::Result<Self> {
        if let Some(why) = forbidden() {
            anyhow::bail!("{why}");
        }
        fs::create_dir_all(place)?;
        // Room for the disk, for the copy that follows it, and for a lost one that somebody still looks at.
        let size = format!("size={}m,mode=755", 3 * megabytes + 16);
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "guichet-soak"]).arg(place))?;
        let disk = Self { place: place.to_owned(), cuts: 0 };
        let image = fs::File::create(disk.image())?;
        image.set_len(u64::from(megabytes) << 20)?;
        // Everything is made now: nothing is left to a kernel thread that would write while nobody else does.
        let eager = "lazy_itable_init=0,lazy_journal_init=0";
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0", "-E", eager]).arg(disk.image()))?;
        disk.mount()?;
        Ok(disk)
    }

    /// Where its files are: each time another folder. SQLite removes its log by name when it closes a file, and a name that
    /// led to the lost disk must never lead to the next.
    pub(crate) fn folder(&self) -> PathBuf {
        self.place.join(format!("mounted-{}", self.cuts))
    }

    /// The power goes. Whoever writes there must stand still and never run again: `gone` is called to end them. Afterwards
    /// the next folder holds what the disk held.
    pub(crate) fn cut_power(&mut self, gone: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let (image, left) = (self.image(), self.place.join(format!("image-{}", self.cuts + 1)));
        // A write of the kernel's own may be under way: a copy that is equal afterwards was made between two writes.
        let started = Instant::now();
        loop {
            run(Command::new("cp").arg("--sparse=always").args([&image, &left]))?;
            if equal(&image, &left)? {
                break;
            }
            ensure!(started.elapsed() < QUIET, "somebody writes to the disk and does not stand still");
        }
        gone()?;
        // Whoever merely looks, as the harness does, may still hold files of the lost one open.
        run(Command::new("umount").arg("--lazy").arg(self.folder()))?;
        fs::remove_file(&image)?;
        self.cuts += 1;
        self.mount()
    }

    fn image(&self) -> PathBuf {
        self.place.join(format!("image-{}", self.cuts))
    }

    fn mount(&self) -> anyhow::Result<()> {
        fs::create_dir_all(self.folder())?;
        run(Command::new("mount").args(["-o", "loop,commit=300"]).args([self.image(), self.folder()]))
    }

    /// Takes all the room but for so many KiB, until the ballast is dropped.
    pub(crate) fn fill(&self, but_kilobytes: u64) -> anyhow::Result<Ballast> {
        let file = self.folder().join("ballast");
        let ballast = fs::File::create(&file).context("make the ballast")?;
        loop {
            let room = rustix::fs::statvfs(self.folder()).context("ask for the free room")?;
            let taken = ballast.metadata().context("look at the ballast")?.blocks() * 512;
            let length = (taken + room.f_bavail * room.f_frsize).saturating_sub(but_kilobytes << 10).max(1);
            match rustix::fs::fallocate(&ballast, rustix::fs::FallocateFlags::empty(), 0, length) {
                // Others write: the room that was free a moment ago is theirs.
                Err(rustix::io::Errno::NOSPC) => {}
                answer => break answer.context("take the room")?,
            }
        }
        Ok(Ballast(file))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A mount that is left behind is found by whoever looks; there is nobody to tell.
        let _ = run(Command::new("umount").arg("--lazy").arg(self.folder()));
        let _ = run(Command::new("umount").arg("--lazy").arg(&self.place));
        let _ = fs::remove_dir(&self.place);
    }
}

/// The room it takes is free again when it is dropped.
pub(crate) struct Ballast(PathBuf);

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0); // gone with its disk
    }
}

fn equal(one: &Path, other: &Path) -> anyhow::Result<bool> {
    let (mut one, mut other) = (fs::File::open(one)?, fs::File::open(other)?);
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let count = one.read(&mut left)?;
        if count == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..count])?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_was_flushed_outlives_a_power_cut_and_nothing_else() {
        if let Some(why) = forbidden() {
            eprintln!("SKIPPED, power cuts were not tried: {why}");
            return;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut disk = Disk::create(&folder.path().join("disk"), 32).expect("make a disk");
        for cut in 0..2 {
            let flushed = disk.folder().join("flushed");
            let mut file = fs::File::options().create(true).append(true).open(&flushed).expect("open");
            file.write_all(b"kept").expect("write");
            file.sync_all().expect("flush");
            file.write_all(b"lost").expect("write");
            drop(file);
            disk.cut_power(|| Ok(())).expect("cut the power");
            let flushed = disk.folder().join("flushed");
            assert_eq!(fs::read(&flushed).expect("read"), b"kept".repeat(cut + 1));
        }
    }

    #[test]
    fn a_full_disk_takes_nothing_and_heals() {
        if let Some(why) = forbidden() {
            eprintln!("SKIPPED, a full disk was not tried: {why}");
            return;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = Disk::create(&folder.path().join("disk"), 32).expect("make a disk");
        let write = || fs::write(disk.folder().join("file"), vec![1; 1 << 20]);
        let ballast = disk.fill(64).expect("fill it");
        assert_eq!(write().expect_err("there is no room").kind(), std::io::ErrorKind::StorageFull);
        drop(ballast);
        write().expect("there is room again");
    }
}
