//! System calls that fail: the n-th flush, the n-th write of a page.
//!
//! `strace --inject` lets the kernel refuse a call of a program that runs unchanged. It counts in each thread by itself, so
//! "the n-th" is the n-th of the thread that owns a file: SQLite's own way of testing, n = 1, 2, 3 … until nothing fails.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::Pid;

const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(1);

/// What a call answers instead of doing its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The disk is broken.
    Io,
    /// The disk is full.
    NoRoom,
}

/// Which calls fail, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Injection {
    /// As strace names a set: `fdatasync,fsync`, `pwrite64`.
    pub(crate) calls: &'static str,
    pub(crate) failure: Failure,
    /// In each thread the n-th, counted from 1.
    pub(crate) at: u32,
    /// And every one after it.
    pub(crate) onwards: bool,
}

/// Why calls cannot be made to fail here, if they cannot.
pub(crate) fn forbidden() -> Option<String> {
    let tried = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=1", "true"])
        .stdin(Stdio::null())
        .output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("strace may not trace here: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Some(format!("strace cannot be run ({error}): install strace")),
    }
}

impl Injection {
    /// What stands before a program's own command line. The program stays our child and strace traces it from the background,
    /// so that a signal to the child is a signal to the program.
    pub(crate) fn prefix(self) -> Vec<String> {
        let words = ["strace", "-D", "--seccomp-bpf"].map(str::to_owned);
        words.into_iter().chain(self.options()).collect()
    }

    /// The same for processes that run already, and for those that they start from now on.
    pub(crate) fn attach(self, to: &[Pid]) -> anyhow::Result<Tracer> {
        let mut command = Command::new("strace");
        // It complains of those that end meanwhile.
        command.args(self.options()).stdin(Stdio::null()).stderr(Stdio::null());
        for pid in to {
            command.args(["-p", &pid.as_raw_nonzero().to_string()]);
        }
        let mut tracer = Tracer(command.spawn().context("start strace")?);
        let started = Instant::now();
        while !to.iter().all(|pid| is_traced(*pid)) {
            ensure!(tracer.0.try_wait()?.is_none() && started.elapsed() < PATIENCE, "strace does not trace");
            std::thread::sleep(POLL);
        }
        Ok(tracer)
    }

    fn options(self) -> [String; 8] {
        let Self { calls, failure, at, onwards } = self;
        let error = match failure {
            Failure::Io => "EIO",
            Failure::NoRoom => "ENOSPC",
        };
        let on = if onwards { "+" } else { "" };
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:error={error}:when={at}{on}"));
        ["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject].map(str::to_owned)
    }
}

/// Gone, and what it traced is let go, when dropped.
pub(crate) struct Tracer(Child);

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait()); // it may have ended with what it traced
    }
}

/// One that has ended is nobody's to trace.
fn is_traced(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("TracerPid:")).is_none_or(|tracer| tracer.trim() != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_fails_when_it_is_told_to() {
        if let Some(why) = forbidden() {
            eprintln!("SKIPPED, no call was made to fail: {why}");
            return;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (at, flushed) in [(1, false), (2, true)] {
            let injection = Injection { calls: "fdatasync,fsync", failure: Failure::Io, at, onwards: false };
            let prefix = injection.prefix();
            let file = format!("of={}", folder.path().join("file").display());
            let dd = ["dd", "if=/dev/zero", &file, "bs=1", "count=1", "conv=fdatasync"];
            let output = Command::new(&prefix[0]).args(&prefix[1..]).args(dd).output().expect("run strace");
            assert_eq!(output.status.success(), flushed, "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
