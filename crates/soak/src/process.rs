//! Other processes: their children, stopping them where they stand, waiting for them and no longer than that makes sense.

use std::fs;
use std::io::{Read as _, Seek as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal};

const PATIENCE: Duration = Duration::from_secs(10);
/// One that was told to end, or that has little to do, and is still there after this will be there for ever.
const ENDS: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(1);
const LAST_LINES: usize = 20;

pub(crate) fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// A process that is gone already is no error: it could have gone a moment later.
pub(crate) fn signal(pid: Pid, signal: Signal) -> anyhow::Result<()> {
    match rustix::process::kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("send {signal:?} to {pid:?}")),
    }
}

/// Stops these where they stand, and returns when each of their threads does: a call that a thread was in, a flush above
/// all, has ended by then.
pub(crate) fn freeze(pids: &[Pid]) -> anyhow::Result<()> {
    for pid in pids {
        signal(*pid, Signal::STOP)?;
    }
    let started = Instant::now();
    while !pids.iter().all(|pid| stands(*pid)) {
        ensure!(started.elapsed() < PATIENCE, "a process does not stop");
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Waits for a process that was told to end; where it does not, the error says what it and its children are at.
pub(crate) fn wait(child: &mut Child) -> anyhow::Result<ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if started.elapsed() > ENDS {
            let parent = pid(child);
            let all: Vec<String> = std::iter::once(parent).chain(children(parent)?).map(at).collect();
            bail!("it has not ended after {ENDS:?}: {}", all.join("; "));
        }
        std::thread::sleep(POLL);
    }
}

/// Runs a program that says little, and ends soon and well.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    // No pipe: nobody reads while it runs, and whoever outlives it would hold it open.
    let mut stderr = tempfile::tempfile().context("a file for what it says")?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr.try_clone()?);
    let mut child = command.spawn().with_context(|| format!("run {}", command.get_program().display()))?;
    let status = match wait(&mut child) {
        Ok(status) => status,
        Err(error) => {
            let _ = child.kill(); // what is stuck in the kernel stays
            return Err(error.context(format!("run {command:?}")));
        }
    };
    if !status.success() {
        let mut said = Vec::new();
        stderr.rewind()?;
        stderr.read_to_end(&mut said)?;
        bail!("{command:?} ended with {status}: {}", last_lines(&String::from_utf8_lossy(&said)));
    }
    Ok(())
}

pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// What a process is at: its name and state, where in the kernel it waits, who traces it.
fn at(pid: Pid) -> String {
    let number = pid.as_raw_nonzero();
    let told = |file: &str| fs::read_to_string(format!("/proc/{number}/{file}")).unwrap_or_default();
    let status = told("status");
    let wanted = |line: &&str| ["Name:", "State:", "TracerPid:"].iter().any(|name| line.starts_with(name));
    let said: Vec<&str> = status.lines().filter(wanted).collect();
    format!("{number} {} in {}", said.join(" "), told("wchan")).replace('\t', " ")
}

/// The processes that have this one as their parent.
pub(crate) fn children(parent: Pid) -> anyhow::Result<Vec<Pid>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").context("list the processes")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        // One that ended meanwhile is nobody's child.
        if let Ok(stat) = fs::read_to_string(entry.path().join("stat"))
            && field(&stat, 1) == Some(&parent.as_raw_nonzero().to_string())
        {
            children.push(pid);
        }
    }
    Ok(children)
}

fn stands(pid: Pid) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())) else { return true };
    tasks.flatten().all(|task| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        matches!(field(&stat, 0), None | Some("T" | "t" | "Z" | "X"))
    })
}

/// What follows the name, which may hold anything: the state, the parent, …
fn field(stat: &str, index: usize) -> Option<&str> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_process_are_found_behind_any_name() {
        let stat = "17 (a) b 1 (c) S 4 17 17 0";
        assert_eq!((field(stat, 0), field(stat, 1)), (Some("S"), Some("4")));
    }
}
