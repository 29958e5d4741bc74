//! What callers do, one call after the other: pure, the same for the same seed. Must not know how calls are made.

use std::time::Duration;

use fastrand::Rng;
use snakepit_core::Affinity;

/// Time for a call that is not meant to run out of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// One call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) what: What,
    pub(crate) timeout: Duration,
    /// How long the caller rests before it.
    pub(crate) pause: Duration,
}

impl Plan {
    /// A call nobody rests before.
    pub(crate) fn now(what: What, timeout: Duration) -> Self {
        Self {
            what,
            timeout,
            pause: Duration::ZERO,
        }
    }
}

/// What is called, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What {
    Quick,
    /// May be tried again.
    Idempotent,
    /// In the caller's own session.
    Session(Affinity),
    Crunch {
        rounds: u32,
    },
    Nap {
        seconds: f64,
    },
    /// There and back.
    Echo {
        bytes: usize,
    },
    Raise,
    /// Has a child process meanwhile.
    Parent {
        seconds: f64,
    },
    Stream {
        items: u32,
        /// How many are taken; the stream is dropped then.
        take: u32,
        /// Rest of the consumer after each.
        pause: Duration,
    },
    /// Python code that takes longer than its time.
    Overdue,
    /// The future is dropped.
    Dropped {
        after: Duration,
    },
    /// Stopped through its handle.
    Cancelled {
        after: Duration,
    },
    Hang,
    HoldGil,
    MemoryBomb,
    Segfault,
    Exit,
}

/// The calls of one caller, without end.
#[derive(Debug)]
pub(crate) struct Calls {
    rng: Rng,
    /// Whether commands can start processes.
    children: bool,
}

impl Calls {
    pub(crate) fn new(seed: u64, storm: usize, pool: usize, caller: usize, children: bool) -> Self {
        // Each caller has a sequence of its own, whatever the others do.
        let mixed = [storm, pool, caller].into_iter().fold(seed, |seed, part| {
            Rng::with_seed(seed.wrapping_add(part as u64).wrapping_add(1)).u64(..)
        });
        Self {
            rng: Rng::with_seed(mixed),
            children,
        }
    }

    fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.rng.u64(from..to))
    }

    fn what(&mut self) -> What {
        match self.rng.u32(..100) {
            0..35 => What::Quick,
            35..42 => What::Idempotent,
            42..45 => What::Session(Affinity::Hint),
            45..48 => What::Session(Affinity::StrictQueue),
            48..50 => What::Session(Affinity::StrictFailFast),
            50..60 => What::Crunch {
                rounds: self.rng.u32(1_000..30_000),
            },
            60..68 => What::Nap {
                seconds: self.rng.f64() * 0.03,
            },
            68..73 => What::Echo {
                bytes: self.rng.usize(1..1_500_000),
            },
            73..77 => What::Raise,
            77..79 if self.children => What::Parent {
                seconds: self.rng.f64() * 0.05,
            },
            77..87 => {
                let items = self.rng.u32(1..200);
                let take = if self.rng.bool() {
                    items
                } else {
                    self.rng.u32(0..items)
                };
                let pause = if self.rng.u8(..4) == 0 {
                    Duration::from_millis(1)
                } else {
                    Duration::ZERO
                };
                What::Stream { items, take, pause }
            }
            87..91 => What::Overdue,
            91..96 => What::Dropped {
                after: self.milliseconds(0, 20),
            },
            _ => What::Cancelled {
                after: self.milliseconds(0, 20),
            },
        }
    }
}

impl Iterator for Calls {
    type Item = Plan;

    fn next(&mut self) -> Option<Plan> {
        let what = self.what();
        let timeout = match what {
            What::Overdue => self.milliseconds(20, 100),
            _ => PATIENCE,
        };
        let pause = self.milliseconds(0, 8);
        Some(Plan {
            what,
            timeout,
            pause,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_calls_again_and_others_to_each_caller() {
        let calls =
            |seed, caller| -> Vec<Plan> { Calls::new(seed, 0, 1, caller, true).take(50).collect() };
        assert_eq!(calls(1, 0), calls(1, 0));
        assert_ne!(calls(1, 0), calls(2, 0));
        assert_ne!(calls(1, 0), calls(1, 1));
    }

    #[test]
    fn any_storm_has_calls() {
        let calls = |storm| {
            Calls::new(u64::MAX, storm, 0, 0, true)
                .take(50)
                .collect::<Vec<_>>()
        };
        assert_ne!(calls(usize::MAX), calls(0));
    }

    #[test]
    fn no_more_is_taken_of_a_stream_than_it_has() {
        for plan in Calls::new(1, 0, 0, 0, false).take(5_000) {
            assert!(!matches!(plan.what, What::Parent { .. }));
            if let What::Stream { items, take, .. } = plan.what {
                assert!(take <= items);
            }
        }
    }
}
