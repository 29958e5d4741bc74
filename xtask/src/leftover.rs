//! Finds processes that outlived the step that started them, by a variable they inherited.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// The variable; its value is different in each run.
pub(crate) const MARKER: &str = "SNAKEPIT_TEST_RUN";

/// A process found.
pub(crate) struct Process {
    pid: u32,
    command: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7}  {}", self.pid, self.command)
    }
}

/// What is left of a run after at most `limit`: a process that is just ending gets the time to do so.
pub(crate) fn wait_until_gone(run: &str, limit: Duration) -> Vec<Process> {
    let start = Instant::now();
    loop {
        let left = find(run);
        if left.is_empty() || start.elapsed() > limit {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ends them, so that the next step starts clean.
pub(crate) fn kill(processes: &[Process]) {
    let pids = processes.iter().map(|process| process.pid.to_string());
    // One may have ended meanwhile; then there is nothing to do.
    let _ = Command::new("kill").arg("-9").args(pids).status();
}

/// Every process of a run that is still there. Sees nothing where there is no `/proc`.
pub(crate) fn find(run: &str) -> Vec<Process> {
    let wanted = format!("{MARKER}={run}");
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let own = std::process::id();
    pids.filter(|pid| *pid != own)
        .filter_map(|pid| process(pid, wanted.as_bytes()))
        .collect()
}

fn process(pid: u32, wanted: &[u8]) -> Option<Process> {
    // Other users' processes cannot be read, and those that ended have nothing to read.
    let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    if !environ
        .split(|byte| *byte == 0)
        .any(|entry| entry == wanted)
    {
        return None;
    }
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<_> = words
        .split(|byte| *byte == 0)
        .map(|w| OsStr::from_bytes(w).to_string_lossy())
        .collect();
    Some(Process {
        pid,
        command: words.join(" ").trim_end().to_owned(),
    })
}
