//! What `/proc` tells about workers, and the signal no process survives.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use snakepit_core::Pool;

/// The processes of a pool's ready workers.
pub(crate) fn workers(pool: &Pool) -> Vec<u32> {
    pool.snapshot()
        .workers
        .iter()
        .filter_map(|worker| worker.hello.as_ref()?.process)
        .collect()
}

/// The parent of a process: for a forked worker, its zygote.
pub(crate) fn parent(pid: u32) -> Result<u32> {
    field(&format!("/proc/{pid}/status"), "PPid:")
        .map(|parent| u32::try_from(parent).unwrap_or_default())
}

/// Proportional set size in MiB: pages that several processes share count once in all.
pub(crate) fn pss(pids: &[u32]) -> Result<f64> {
    let mut kibibytes = 0;
    for pid in pids {
        kibibytes += field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")?;
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    Ok(kibibytes as f64 / 1024.0)
}

/// What processes hold, in MiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Pages that several processes share count once in all.
    pub(crate) proportional: f64,
    /// Pages nobody else has.
    pub(crate) private: f64,
}

/// What processes hold together.
pub(crate) fn memory(pids: &[u32]) -> Result<Memory> {
    let mut private = 0;
    for pid in pids {
        let path = format!("/proc/{pid}/smaps_rollup");
        private += field(&path, "Private_Clean:")? + field(&path, "Private_Dirty:")?;
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    Ok(Memory {
        proportional: pss(pids)?,
        private: private as f64 / 1024.0,
    })
}

/// The workers with their zygotes: their parents, unless that is us.
pub(crate) fn tree(workers: &[u32]) -> Result<Vec<u32>> {
    let mut all = workers.to_vec();
    for worker in workers {
        let parent = parent(*worker)?;
        if parent != std::process::id() && !all.contains(&parent) {
            all.push(parent);
        }
    }
    Ok(all)
}

/// Memory of this process that is in use, in bytes.
pub(crate) fn resident() -> Result<u64> {
    Ok(field("/proc/self/status", "VmRSS:")? * 1024)
}

/// Processor time that the threads of this process with such a name have used.
pub(crate) fn thread_time(name: &str) -> Result<Duration> {
    let mut all = Duration::ZERO;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let thread = thread?.path();
        // It may end meanwhile.
        let read = |file| std::fs::read_to_string(thread.join(file)).unwrap_or_default();
        if read("comm").trim_end() == name {
            let stat = read("schedstat");
            let time = stat.split(' ').next().unwrap_or_default();
            all += Duration::from_nanos(time.parse().unwrap_or_default());
        }
    }
    Ok(all)
}

/// How many files this process has open.
pub(crate) fn open_files() -> Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

pub(crate) fn kill(pid: u32) -> Result<()> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .context("no process id")?;
    Ok(kill_process(pid, Signal::KILL)?)
}

fn field(path: &str, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let value = text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    value.with_context(|| format!("{path} has no {name}"))
}
