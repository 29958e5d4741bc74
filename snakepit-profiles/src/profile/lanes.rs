//! How many lanes a worker may have, and what that leaves for each; must not know what a lane is.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use snakepit_core::config::Section;
use snakepit_core::config::scalar::Bounded;

use super::builder::Options;
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

/// Gives workers so many lanes, or as many as they may have.
pub(super) fn set(options: &mut Options, kind: LaneKind, threads: u16) {
    let count = threads.clamp(1, MOST);
    options.lanes = Lanes { kind, count };
    options.recipe.library_threads = library_threads(count);
}

/// Threads that numerical libraries may use in each of so many lanes: N lanes must not make N x N threads.
fn library_threads(lanes: u16) -> u16 {
    // Knows affinity and cgroup quotas.
    let processors = available_parallelism().map_or(1, NonZeroUsize::get);
    share(processors, lanes)
}

fn share(processors: usize, lanes: u16) -> u16 {
    u16::try_from(processors / usize::from(lanes.max(1)))
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
