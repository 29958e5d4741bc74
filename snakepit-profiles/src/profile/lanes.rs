//! How many lanes a worker may have, and what that leaves for each; must not know what a lane is.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use snakepit_core::config::Section;
use snakepit_core::config::scalar::Bounded;

use crate::settings::{LaneKind, Lanes};

/// Lanes of a worker unless told otherwise: enough to overlap I/O, few enough that a GIL does not become a queue.
pub(super) const DEFAULT: u16 = 4;

/// A worker's connections travel in one message, which Linux limits to 253 descriptors.
pub(super) const MOST: u16 = 128;

/// Reads `threads_per_worker`.
pub(super) fn read(section: &mut Section<'_>) -> u16 {
    let threads = section.or(
        "threads_per_worker",
        Bounded::<1, { MOST as u64 }>::clamped(DEFAULT.into()),
    );
    u16::try_from(threads.as_usize()).unwrap_or(MOST)
}

/// The lanes of a worker that may have so many.
pub(super) fn of(kind: LaneKind, threads: u16) -> Lanes {
    let count = match kind {
        LaneKind::Main => 1,
        LaneKind::Thread | LaneKind::Interpreter => threads.clamp(1, MOST),
    };
    Lanes { kind, count }
}

/// Threads that numerical libraries may use in each of these lanes of so many workers: N lanes must not make N x N threads. One in a process
/// of one lane: the pool's parallelism is its processes.
pub(super) fn library_threads(lanes: Lanes, workers: usize) -> u16 {
    match lanes.kind {
        LaneKind::Main => 1,
        LaneKind::Thread | LaneKind::Interpreter => {
            // Knows affinity and cgroup quotas.
            let processors = available_parallelism().map_or(1, NonZeroUsize::get);
            share(processors, usize::from(lanes.count) * workers)
        }
    }
}

fn share(processors: usize, lanes: usize) -> u16 {
    u16::try_from(processors / lanes.max(1))
        .unwrap_or(u16::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_share_the_processors() {
        assert_eq!(share(64, 16), 4);
        assert_eq!(share(2, 16), 1);
        assert_eq!(share(7, 2), 3);
    }
}
