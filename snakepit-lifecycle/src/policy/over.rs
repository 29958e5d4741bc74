//! When memory over a limit is worth a worker's life. Knows no limit of its own.
//!
//! ```text
//! N readings in a row over it ──▶ have it collected ──▶ a reading after that, still over ──▶ retire
//! ```

use snakepit_core::{Usage, WorkerView};

/// What is to be done about the memory of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Nothing.
    No,
    /// Have it give memory back.
    Trim,
    /// It did, and this is what it still uses.
    Still(u64),
}

/// Judges by private memory. A worker that has finished no call yet is still what it was when it became ready.
pub(super) fn judge(worker: &WorkerView, limit: u64, samples: usize) -> Over {
    if worker.served == 0 {
        return Over::No;
    }
    let over = |usage: &Usage| usage.private > limit;
    let trimmed = worker.trimmed_at;
    let mut since = worker
        .readings
        .iter()
        .filter(|usage| trimmed.is_none_or(|at| usage.at > at));
    // Once it has been below the limit, what was trimmed before is another story.
    let below = since.clone().any(|usage| !over(usage));
    if trimmed.is_some() && !below {
        return since
            .next_back()
            .map_or(Over::No, |usage| Over::Still(usage.private));
    }
    let in_a_row = since.rev().take_while(|usage| over(usage)).count();
    if in_a_row >= samples.max(1) {
        Over::Trim
    } else {
        Over::No
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use snakepit_core::WorkerId;

    use super::*;

    const LIMIT: u64 = 100;

    /// A worker with a reading of so much memory each second, trimmed at half past some second.
    fn view(start: Instant, readings: &[u64], trimmed_after: Option<usize>) -> WorkerView {
        let mut view = WorkerView::new(WorkerId::new(1), start);
        view.served = 1;
        let second = |index: usize| start + Duration::from_secs(index as u64);
        view.readings = readings
            .iter()
            .enumerate()
            .map(|(index, private)| Usage::new(second(index), *private, Duration::ZERO))
            .collect();
        view.trimmed_at = trimmed_after.map(|index| second(index) + Duration::from_millis(500));
        view
    }

    #[test]
    fn it_takes_so_many_readings_in_a_row_then_a_trim_then_one_more() {
        let start = Instant::now();
        for (readings, trimmed, expected) in [
            (&[][..], None, Over::No),
            (&[101, 101], None, Over::No),
            (&[101, 101, 101], None, Over::Trim),
            (&[101, 101, 100, 101, 101], None, Over::No),
            (&[90, 101, 102, 103], None, Over::Trim),
            (&[101, 101, 101], Some(2), Over::No),
            (&[101, 101, 101, 99], Some(2), Over::No),
            (&[101, 101, 101, 105], Some(2), Over::Still(105)),
            (&[101, 101, 101, 99, 101, 101], Some(2), Over::No),
            (&[101, 101, 101, 99, 101, 101, 101], Some(2), Over::Trim),
        ] {
            let view = view(start, readings, trimmed);
            assert_eq!(judge(&view, LIMIT, 3), expected, "{readings:?} {trimmed:?}");
        }
    }

    #[test]
    fn a_worker_that_has_served_nothing_is_left_alone() {
        let mut view = view(Instant::now(), &[101; 16], None);
        view.served = 0;
        assert_eq!(judge(&view, LIMIT, 3), Over::No);
    }

    proptest! {
        #[test]
        fn nothing_is_done_to_a_worker_whose_last_reading_is_within_the_limit(
            mut readings in proptest::collection::vec(0..200_u64, 0..15),
            trimmed in proptest::option::of(0..16_usize),
            samples in 1..16_usize,
        ) {
            readings.push(LIMIT);
            prop_assert_eq!(judge(&view(Instant::now(), &readings, trimmed), LIMIT, samples), Over::No);
        }

        #[test]
        fn what_is_retired_was_trimmed_and_measured_since(
            readings in proptest::collection::vec(0..200_u64, 0..16),
            trimmed in proptest::option::of(0..16_usize),
            samples in 1..16_usize,
        ) {
            let view = view(Instant::now(), &readings, trimmed);
            if let Over::Still(private) = judge(&view, LIMIT, samples) {
                prop_assert!(private > LIMIT);
                let last = view.readings.last().unwrap();
                prop_assert!(view.trimmed_at.is_some_and(|at| last.at > at));
                prop_assert_eq!(last.private, private);
            }
        }
    }
}
