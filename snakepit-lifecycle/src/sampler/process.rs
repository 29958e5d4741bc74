//! Reads what `/proc` says of one process. Knows not when, nor why.

use std::time::Duration;

use procfs::process::{Process as Entry, SmapsRollup};
use procfs::{ProcError, page_size, ticks_per_second};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::Unmeasurable;
use super::economy::Seen;

/// What a process holds alone. Swap is counted by share: most of it is nobody else's.
const PRIVATE: [&str; 4] = [
    "Private_Clean",
    "Private_Dirty",
    "Private_Hugetlb",
    "SwapPss",
];

/// One process, for as long as it lives.
#[derive(Debug)]
pub(super) struct Process {
    number: u32,
    /// When it began, in ticks since the machine did: what a later process of that number cannot share.
    began: u64,
}

/// What is cheap to know.
pub(super) struct Look {
    /// Its folder in `/proc`, which stays its own even when the number is used again.
    entry: Entry,
    number: u32,
    /// Processor time of all its threads.
    pub(super) cpu: Duration,
    /// What memory depends on.
    pub(super) seen: Seen,
}

impl Process {
    /// The process of that number.
    pub(super) fn find(number: u32) -> Result<Self, Unmeasurable> {
        let (began, _) = look(number)?;
        Ok(Self { number, began })
    }

    /// Looks at it.
    pub(super) fn look(&self) -> Result<Look, Unmeasurable> {
        let (began, look) = look(self.number)?;
        if began != self.began {
            return Err(Unmeasurable::Gone {
                process: self.number,
            });
        }
        Ok(look)
    }
}

impl Look {
    /// Memory no other process shares, in bytes. A look at every page.
    pub(super) fn private(&self) -> Result<u64, Unmeasurable> {
        let explain = |error| explain(self.number, &error);
        let SmapsRollup { memory_map_rollup } = self.entry.smaps_rollup().map_err(explain)?;
        let map = memory_map_rollup.0.into_iter().next();
        // One that has ended, but was not waited for, has no memory.
        let map = map
            .ok_or(Unmeasurable::Gone {
                process: self.number,
            })?
            .extension
            .map;
        Ok(PRIVATE.iter().filter_map(|name| map.get(*name)).sum())
    }
}

fn look(number: u32) -> Result<(u64, Look), Unmeasurable> {
    let explain = |error| explain(number, &error);
    let gone = Unmeasurable::Gone { process: number };
    let Ok(id) = i32::try_from(number) else {
        return Err(gone);
    };
    let entry = Entry::new(id).map_err(explain)?;
    let stat = entry.stat().map_err(explain)?;
    if matches!(stat.state, 'Z' | 'X') {
        return Err(gone);
    }
    let ticks = stat.utime.saturating_add(stat.stime);
    let nanoseconds = u128::from(ticks) * 1_000_000_000 / u128::from(ticks_per_second().max(1));
    let look = Look {
        entry,
        number,
        cpu: Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX)),
        seen: Seen {
            faulted: stat
                .minflt
                .saturating_add(stat.majflt)
                .saturating_mul(page_size()),
            resident: stat.rss.saturating_mul(page_size()),
        },
    };
    Ok((stat.starttime, look))
}

fn explain(process: u32, error: &ProcError) -> Unmeasurable {
    let gone = match error {
        ProcError::NotFound(_) => std::path::Path::new("/proc/self/stat").exists(),
        ProcError::Io(error, _) => error.raw_os_error() == Some(Errno::SRCH.raw_os_error()),
        _ => false,
    };
    if gone {
        Unmeasurable::Gone { process }
    } else {
        Unmeasurable::Hidden(error.to_string())
    }
}

/// Processor time this thread has used.
pub(super) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_process_of_the_same_number_is_another_one() {
        let mut process = Process::find(std::process::id()).unwrap();
        assert!(process.look().is_ok());
        process.began += 1;
        assert!(matches!(process.look(), Err(Unmeasurable::Gone { .. })));
    }

    #[test]
    fn numbers_no_process_has_are_gone() {
        for number in [u32::MAX, i32::MAX.unsigned_abs()] {
            assert!(matches!(
                Process::find(number),
                Err(Unmeasurable::Gone { .. })
            ));
        }
    }
}
