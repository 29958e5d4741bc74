//! Finds processes that outlived the run that started them, by a variable they inherited. Knows no
//! test.

use std::fs;
use std::os::fd::AsFd as _;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::support::BOUND;

/// Its value is different in each run.
pub(crate) const MARKER: &str = "SNAKEPIT_CLI_TEST_RUN";

/// Waits for the processes of a run that are just ending, and fails if one is not.
#[track_caller]
pub(crate) fn assert_none(run: &str) {
    let started = Instant::now();
    let wanted = format!("{MARKER}={run}");
    while let Some(pid) = find(wanted.as_bytes()) {
        // Gone between the two: look for the next.
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        let left = BOUND.saturating_sub(started.elapsed());
        let left = Timespec::try_from(left).expect("a minute is not too long");
        let mut ends = [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
        let ended = poll(&mut ends, Some(&left)).expect("a process can be watched");
        assert!(ended > 0, "{pid:?} is left: {}", command_of(pid));
    }
}

fn find(wanted: &[u8]) -> Option<Pid> {
    let own = rustix::process::getpid();
    let entries = fs::read_dir("/proc").expect("there is a /proc");
    let numbers = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter_map(Pid::from_raw)
        .filter(|pid| *pid != own)
        .find(|pid| {
            // Unreadable: another user's, or gone. Empty: ended, and only waiting to be noticed.
            let environ = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
            environ.is_ok_and(|environ| {
                environ
                    .split(|byte| *byte == 0)
                    .any(|entry| entry == wanted)
            })
        })
}

fn command_of(pid: Pid) -> String {
    let command = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    String::from_utf8_lossy(&command).replace('\0', " ")
}
