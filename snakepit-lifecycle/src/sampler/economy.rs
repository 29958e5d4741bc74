//! When an exact reading of a process' memory is worth what it costs. Pure: knows no process and no clock.

use std::time::{Duration, Instant};

/// What part of one core all exact readings may take together: one in so many.
const SHARE: u32 = 50;

/// Memory given that cannot wait to be measured: so many bytes, or so great a part of what there was, whichever is more.
const MUCH: u64 = 16 << 20;
const MUCH_PART: u64 = 8;

/// What private memory depends on, and is cheap to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Bytes of the pages it has had faults for so far. Without one, a process gets no memory and keeps sharing what it shares.
    pub(super) faulted: u64,
    /// Bytes in memory, shared or not. Less of it is the trace of memory given back.
    pub(super) resident: u64,
}

/// What to do about one process now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing has changed: its private memory is this.
    Same(u64),
    /// Measure it.
    Measure,
    /// It has changed, but not by so much that it could not wait.
    Later,
}

/// What is known of one process.
#[derive(Debug, Default)]
pub(super) struct Economy {
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    private: u64,
    seen: Seen,
    not_before: Instant,
}

impl Economy {
    /// Decides after a look.
    pub(super) fn step(&self, seen: Seen, now: Instant) -> Step {
        let Some(known) = &self.known else {
            return Step::Measure;
        };
        if seen == known.seen {
            return Step::Same(known.private);
        }
        let much = MUCH.max(known.seen.resident / MUCH_PART);
        let grown = seen.resident.saturating_sub(known.seen.resident);
        // What is shared until it is written to becomes private by faults alone. A process that has so many of them without
        // any growth uses more time for that than the reading takes.
        let touched = seen.faulted.saturating_sub(known.seen.faulted);
        if now >= known.not_before || grown.max(touched) >= much {
            Step::Measure
        } else {
            Step::Later
        }
    }

    /// Takes an exact reading, made just after a look, that took so much processor time while so many processes were
    /// watched.
    pub(super) fn measured(
        &mut self,
        private: u64,
        seen: Seen,
        now: Instant,
        cost: Duration,
        watched: usize,
    ) {
        let watched = u32::try_from(watched).unwrap_or(u32::MAX).max(1);
        let pause = cost.saturating_mul(SHARE).saturating_mul(watched);
        self.known = Some(Known {
            private,
            seen,
            not_before: now.checked_add(pause).unwrap_or(now),
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;
    const COST: Duration = Duration::from_millis(1);

    fn seen(faults: u64, mib: u64) -> Seen {
        Seen {
            faulted: faults * 4096,
            resident: mib * MIB,
        }
    }

    fn measured(now: Instant, watched: usize) -> Economy {
        let mut economy = Economy::default();
        economy.measured(7, seen(1, 160), now, COST, watched);
        economy
    }

    #[test]
    fn the_first_look_leads_to_a_reading() {
        assert_eq!(
            Economy::default().step(seen(0, 0), Instant::now()),
            Step::Measure
        );
    }

    #[test]
    fn what_did_nothing_is_not_measured_again() {
        let now = Instant::now();
        let economy = measured(now, 1);
        assert_eq!(
            economy.step(seen(1, 160), now + Duration::from_secs(3600)),
            Step::Same(7)
        );
    }

    #[test]
    fn small_changes_wait_for_their_turn_and_large_ones_do_not() {
        let now = Instant::now();
        let economy = measured(now, 100);
        let soon = now + Duration::from_secs(4);
        assert_eq!(economy.step(seen(9, 160), soon), Step::Later);
        assert_eq!(economy.step(seen(9, 179), soon), Step::Later);
        assert_eq!(economy.step(seen(9, 120), soon), Step::Later);
        assert_eq!(economy.step(seen(9, 180), soon), Step::Measure);
        assert_eq!(
            economy.step(seen(9, 160), now + Duration::from_secs(5)),
            Step::Measure
        );
    }

    #[test]
    fn what_stops_being_shared_does_not_wait_either() {
        let now = Instant::now();
        let economy = measured(now, 100);
        let pages = |mib: u64| mib * MIB / 4096;
        assert_eq!(economy.step(seen(pages(20), 160), now), Step::Later);
        assert_eq!(economy.step(seen(pages(20) + 1, 160), now), Step::Measure);
    }

    proptest! {
        #[test]
        fn without_growth_readings_take_a_fiftieth_of_a_core_at_most(
            watched in 1..1000_usize,
            cost in 1..20_000_u64,
            every in 1..2000_u64,
        ) {
            let start = Instant::now();
            let cost = Duration::from_micros(cost);
            let mut economy = Economy::default();
            let mut spent = Duration::ZERO;
            let mut now = start;
            for faults in 0..500 {
                if economy.step(seen(faults, 160), now) == Step::Measure {
                    economy.measured(7, seen(faults, 160), now, cost, watched);
                    spent += cost;
                }
                now += Duration::from_millis(every);
            }
            let watched = u32::try_from(watched).unwrap();
            prop_assert!(spent * watched <= (now - start) / SHARE + cost * watched);
        }
    }
}
