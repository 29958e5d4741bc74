//! What `/proc` says about us and about the processes that are ours by a mark in their environment.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// The variable all processes of a run inherit; its value is different in each run.
pub(crate) const RUN: &str = "SNAKEPIT_CHAOS_RUN";
/// The variable the processes of one pool inherit.
pub(crate) const POOL: &str = "SNAKEPIT_CHAOS_POOL";

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// `R`, `S`, `T`, `Z`...
    pub(crate) state: char,
    pub(crate) name: String,
}

/// The processes of this run, of one pool or of all.
pub(crate) fn of_run(run: &str, pool: Option<&str>) -> Vec<Process> {
    let marks: Vec<String> = [(RUN, Some(run)), (POOL, pool)]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value?)))
        .collect();
    let own = std::process::id();
    numbers("/proc")
        .into_iter()
        .filter(|pid| *pid != own)
        .filter(|pid| {
            // Those of others cannot be read, and those that ended have nothing to read.
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let has = |mark: &String| {
                environ
                    .split(|byte| *byte == 0)
                    .any(|entry| entry == mark.as_bytes())
            };
            marks.iter().all(has)
        })
        .filter_map(process)
        .collect()
}

/// Our children that ended and were not waited for.
pub(crate) fn zombies() -> usize {
    let own = std::process::id();
    numbers("/proc")
        .into_iter()
        .filter_map(process)
        .filter(|process| process.parent == own && process.state == 'Z')
        .count()
}

fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (start, rest) = stat.rsplit_once(')')?;
    let (_, name) = start.split_once('(')?;
    let mut fields = rest.split_whitespace();
    Some(Process {
        pid,
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
        name: name.to_owned(),
    })
}

/// What this process has, by kind: open files, threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Possessions {
    pub(crate) files: BTreeMap<String, usize>,
    pub(crate) threads: usize,
}

impl Possessions {
    pub(crate) fn now() -> Self {
        let mut files = BTreeMap::new();
        for number in numbers("/proc/self/fd") {
            let target = fs::read_link(format!("/proc/self/fd/{number}")).unwrap_or_default();
            let target = target.to_string_lossy();
            // `socket:[123]`, `anon_inode:[pidfd]`, `/memfd:name (deleted)`, a path.
            let kind = match target.split_once(':') {
                Some(("anon_inode", kind)) => kind.to_owned(),
                Some((kind, _)) => kind.trim_start_matches('/').to_owned(),
                None => "file".to_owned(),
            };
            *files.entry(kind).or_default() += 1;
        }
        Self {
            files,
            threads: numbers("/proc/self/task").len(),
        }
    }

    /// What there is more of than there was.
    pub(crate) fn beyond(&self, before: &Self) -> Vec<String> {
        let mut more = Vec::new();
        for (kind, count) in &self.files {
            let had = before.files.get(kind).copied().unwrap_or_default();
            if *count > had {
                more.push(format!("{count} open files of kind {kind}, not {had}"));
            }
        }
        if self.threads > before.threads {
            more.push(format!("{} threads, not {}", self.threads, before.threads));
        }
        more
    }

    pub(crate) fn open_files(&self) -> usize {
        self.files.values().sum()
    }
}

/// Memory of this process that is in use, in bytes.
pub(crate) fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: u64 = line
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .context("no VmRSS")?;
    Ok(kibibytes * 1024)
}

/// Sends a signal; a process that is gone already is fine.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended a moment ago.
        let _ = kill_process(pid, signal);
    }
}

/// Whether there is such a process. Opens nothing, so that it can be asked while no files are left.
pub(crate) fn is_there(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

/// The entries of a folder that are numbers.
fn numbers(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}
