//! How many workers can be run here; pure, must not know where the numbers come from.

use snakepit_core::Ceiling;

/// What there is, and what it is used for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Supply {
    /// Workers there are.
    pub(crate) workers: u64,
    /// Files this process may have open; `None` if as many as it likes.
    pub(crate) files: Option<u64>,
    /// Files it has open.
    pub(crate) open: u64,
    /// Those of them a worker takes.
    pub(crate) files_each: u64,
    /// Processes and threads there may be more, and at all.
    pub(crate) tasks: Option<(u64, u64)>,
    /// Those a worker takes, before its code starts any.
    pub(crate) tasks_each: u64,
}

/// What a launch, a log file and a listener need beside the workers.
const SPARE_FILES: u64 = 32;

impl Supply {
    /// The most workers, and what keeps it from being more; `None` if nothing does.
    pub(crate) fn ceiling(&self) -> Option<Ceiling> {
        [self.by_files(), self.by_tasks()]
            .into_iter()
            .flatten()
            .min_by_key(|ceiling| ceiling.workers)
    }

    fn by_files(&self) -> Option<Ceiling> {
        let Self {
            workers,
            files,
            open,
            files_each,
            ..
        } = *self;
        let files = files?;
        let others = open.saturating_sub(workers * files_each) + SPARE_FILES;
        let most = files.saturating_sub(others) / files_each;
        Some(Ceiling {
            workers: usize::try_from(most).unwrap_or(usize::MAX),
            why: format!(
                "each needs {files_each} of the {files} files this process may have open (`ulimit -n`), {others} of \
                 which are taken"
            ),
        })
    }

    fn by_tasks(&self) -> Option<Ceiling> {
        let Self {
            workers,
            tasks_each,
            ..
        } = *self;
        let (left, all) = self.tasks?;
        let most = workers + left / tasks_each;
        Some(Ceiling {
            workers: usize::try_from(most).unwrap_or(usize::MAX),
            why: format!(
                "each needs {tasks_each} of the {all} processes and threads this cgroup may have (`pids.max`)"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUPPLY: Supply = Supply {
        workers: 10,
        files: Some(1024),
        open: 100,
        files_each: 4,
        tasks: None,
        tasks_each: 2,
    };

    #[test]
    fn what_the_workers_have_already_is_not_counted_twice() {
        let ceiling = SUPPLY.ceiling().unwrap();
        assert_eq!(ceiling.workers, (1024 - 60 - 32) / 4);
        let none = Supply {
            workers: 0,
            open: 60,
            ..SUPPLY
        };
        assert_eq!(none.ceiling(), Some(ceiling));
    }

    #[test]
    fn the_lowest_counts() {
        let tasks = Some((11, 50));
        let ceiling = Supply { tasks, ..SUPPLY }.ceiling().unwrap();
        assert_eq!(ceiling.workers, 15);
        assert!(ceiling.why.contains("pids.max"));
        let full = Supply {
            tasks: Some((0, 50)),
            workers: 0,
            ..SUPPLY
        };
        assert_eq!(full.ceiling().unwrap().workers, 0);
    }

    #[test]
    fn there_may_be_no_limit() {
        assert_eq!(
            Supply {
                files: None,
                ..SUPPLY
            }
            .ceiling(),
            None
        );
    }
}
