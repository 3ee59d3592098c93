//! Other processes: their children, stopping them where they stand.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal};

const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(1);

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
