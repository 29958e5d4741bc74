//! What will be done to the pools, and when: pure, the same for the same seed. Must not know how it is done.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

/// How far apart disturbances are, on average.
const PACE: Duration = Duration::from_millis(300);

/// How long a storm is, unless a run is too short for one.
const STORM: Duration = Duration::from_secs(15);
/// About how long pools take to be whole again after one.
const QUIET: Duration = Duration::from_secs(1);
/// About how long starting and ending the pools takes.
const FRAME: Duration = Duration::from_secs(6);

/// All that is done in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) storms: Vec<Storm>,
}

/// Disturbances with calls all along; it is followed by a quiet moment, in which everything is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Storm {
    pub(crate) lasts: Duration,
    /// In the order of their times.
    pub(crate) disturbances: Vec<Disturbance>,
}

/// Something done to a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disturbance {
    /// From the start of the storm.
    pub(crate) at: Duration,
    /// Which pool, by its place in the arena.
    pub(crate) pool: usize,
    pub(crate) kind: Kind,
    /// Chooses among the workers that are there then.
    pub(crate) pick: usize,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    KillWorker,
    KillAllWorkers,
    KillZygote,
    /// Stopped by a signal for a moment.
    Pause,
    /// Stopped by a signal and left so: only hang detection helps.
    Freeze,
    FailForks,
    FailStarts,
    SlowStarts,
    /// Hardly any file can be opened.
    StarveFiles,
    Reload,
    Resize,
    Recycle,
    MemoryBomb,
    /// A call that hangs in C code, the GIL released.
    Hang,
    /// A call that hangs in C code and holds the GIL.
    HoldGil,
    Segfault,
    Exit,
}

impl Kind {
    pub(crate) const ALL: [Self; 17] = [
        Self::KillWorker,
        Self::KillAllWorkers,
        Self::KillZygote,
        Self::Pause,
        Self::Freeze,
        Self::FailForks,
        Self::FailStarts,
        Self::SlowStarts,
        Self::StarveFiles,
        Self::Reload,
        Self::Resize,
        Self::Recycle,
        Self::MemoryBomb,
        Self::Hang,
        Self::HoldGil,
        Self::Segfault,
        Self::Exit,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::KillWorker => "kill -9 of a worker",
            Self::KillAllWorkers => "kill -9 of all workers",
            Self::KillZygote => "kill -9 of a zygote",
            Self::Pause => "SIGSTOP, then SIGCONT",
            Self::Freeze => "SIGSTOP for good",
            Self::FailForks => "forks fail",
            Self::FailStarts => "starts fail",
            Self::SlowStarts => "starts are slow",
            Self::StarveFiles => "no files left",
            Self::Reload => "reload",
            Self::Resize => "resize",
            Self::Recycle => "recycle",
            Self::MemoryBomb => "memory bomb",
            Self::Hang => "hang",
            Self::HoldGil => "hang with the GIL",
            Self::Segfault => "segmentation fault",
            Self::Exit => "exit in a call",
        })
    }
}

impl Plan {
    /// For so many pools: storms that fill `lasts`, with what comes before, between and after them.
    pub(crate) fn new(seed: u64, pools: usize, lasts: Duration) -> Self {
        let count = lasts.saturating_sub(FRAME).as_millis() / (STORM + QUIET).as_millis();
        let lasts = if count == 0 { lasts / 2 } else { STORM };
        let mut deck = Deck::new(seed, pools);
        let storms = (0..count.max(1)).map(|_| deck.storm(lasts)).collect();
        Self { seed, storms }
    }
}

/// Every kind on every pool, in some order, then again in another: even a short run misses few.
struct Deck {
    rng: Rng,
    pools: usize,
    cards: Vec<(usize, Kind)>,
}

impl Deck {
    fn new(seed: u64, pools: usize) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            pools,
            cards: Vec::new(),
        }
    }

    fn storm(&mut self, lasts: Duration) -> Storm {
        let mut disturbances = Vec::new();
        let mut at = Duration::ZERO;
        loop {
            at += PACE.mul_f64(self.rng.f64() * 2.0);
            if at >= lasts {
                return Storm {
                    lasts,
                    disturbances,
                };
            }
            let (pool, kind) = self.deal();
            let pick = self.rng.usize(..);
            disturbances.push(Disturbance {
                at,
                pool,
                kind,
                pick,
            });
        }
    }

    fn deal(&mut self) -> (usize, Kind) {
        if self.cards.is_empty() {
            self.cards = (0..self.pools)
                .flat_map(|pool| Kind::ALL.map(|kind| (pool, kind)))
                .collect();
            self.rng.shuffle(&mut self.cards);
        }
        self.cards.pop().expect("there are pools")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_seed_gives_the_same_plan_again() {
        assert_eq!(Plan::new(7, 5, MINUTE), Plan::new(7, 5, MINUTE));
        assert_ne!(Plan::new(7, 5, MINUTE), Plan::new(8, 5, MINUTE));
    }

    #[test]
    fn a_minute_has_every_kind_in_storms_that_leave_time_to_look() {
        for seed in 0..50 {
            let plan = Plan::new(seed, 5, MINUTE);
            let kinds: BTreeSet<_> = plan
                .storms
                .iter()
                .flat_map(|storm| &storm.disturbances)
                .map(|disturbance| disturbance.kind)
                .collect();
            assert_eq!(kinds.len(), Kind::ALL.len(), "seed {seed}");
            let stormy: Duration = plan.storms.iter().map(|storm| storm.lasts).sum();
            assert_eq!(stormy, STORM * 3);
        }
    }

    #[test]
    fn disturbances_come_in_order_and_within_their_storm() {
        for storm in Plan::new(1, 3, MINUTE * 3).storms {
            assert!(storm.disturbances.is_sorted_by_key(|one| one.at));
            assert!(
                storm
                    .disturbances
                    .iter()
                    .all(|one| one.at < storm.lasts && one.pool < 3)
            );
        }
    }
}
