//! Pools that grow and shrink, simulated over hours: they follow the load, and do not go back and forth.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::*;

/// How long a simulated launch takes.
const LAUNCH: Duration = Duration::from_millis(5);
/// After how much idleness the policy outside releases a worker, and how often it looks.
const IDLE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_millis(10);
const COOLDOWN: Duration = Duration::from_secs(5);
/// What a call may wait at most while the pool may still grow.
const BOUND: Duration = PATIENCE.saturating_add(LAUNCH);
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Launched(WorkerId),
    Gone(WorkerId),
    Finished(CallId),
    Look,
    Arrival,
}

/// A pool, what is going to happen to it, and what was seen.
struct Simulation {
    bench: Bench,
    start: Instant,
    agenda: BinaryHeap<Reverse<(Instant, u64, Happening)>>,
    planned: u64,
    random: u64,
    /// How long each call takes.
    service: Duration,
    waiting: HashMap<CallId, Instant>,
    /// When the size changed.
    changes: Vec<Duration>,
    /// The longest wait of a call that was over before the pool was at its largest.
    worst_wait: Duration,
    largest: usize,
}

impl Simulation {
    fn new(min: usize, max: usize, service: Duration) -> Self {
        let bench = Bench::with(PoolSettings {
            size: min,
            max_size: Some(max),
            queue_size: 10_000,
            scale_up_after: PATIENCE,
            scale_cooldown: COOLDOWN,
            ..PoolSettings::default()
        });
        let mut simulation = Self {
            start: bench.now,
            bench,
            agenda: BinaryHeap::new(),
            planned: 0,
            random: 7,
            service,
            waiting: HashMap::new(),
            changes: Vec::new(),
            worst_wait: Duration::ZERO,
            largest: min,
        };
        let actions = simulation.bench.out.clone();
        simulation.take(&actions);
        simulation.plan(LOOK, Happening::Look);
        simulation
    }

    fn plan(&mut self, after: Duration, what: Happening) {
        self.planned += 1;
        let entry = (self.bench.now + after, self.planned, what);
        self.agenda.push(Reverse(entry));
    }

    /// A number from 0 up to 1, evenly spread.
    fn chance(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        f64::from(u32::try_from(self.random >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }

    /// Runs for `span`; `gap` says how long after one arrival the next comes, given the time since the start.
    fn run(&mut self, span: Duration, mut gap: impl FnMut(&mut Self, Duration) -> Duration) {
        let end = self.bench.now + span;
        let first = gap(self, self.bench.now - self.start);
        self.plan(first, Happening::Arrival);
        loop {
            let planned = self.agenda.peek().map(|Reverse((at, ..))| *at);
            let tick = self.bench.sched.wake_at();
            let next = planned.into_iter().chain(tick).min().unwrap_or(end);
            if next >= end {
                break;
            }
            self.bench.now = next;
            if tick == Some(next) {
                let actions = self.bench.on(Input::Tick);
                self.take(&actions);
                assert!(self.bench.sched.wake_at().is_none_or(|at| at > next));
            } else if let Some(Reverse((.., what))) = self.agenda.pop() {
                if what == Happening::Arrival {
                    let after = gap(self, next - self.start);
                    self.plan(after, Happening::Arrival);
                }
                self.happen(what);
            }
            self.check();
        }
        self.bench.now = end;
        self.agenda
            .retain(|Reverse((.., what))| *what != Happening::Arrival);
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Launched(worker) => self.feed(Input::Launched { worker, lanes: 1 }),
            Happening::Gone(worker) => self.feed(Input::Exited(worker)),
            Happening::Finished(call) => self.feed(Input::Finished(call)),
            Happening::Arrival => {
                let now = self.bench.now;
                let (call, actions) = self.bench.arrive();
                self.waiting.insert(call, now);
                self.take(&actions);
            }
            Happening::Look => {
                self.plan(LOOK, Happening::Look);
                let now = self.bench.now;
                let idle: Vec<_> = self
                    .bench
                    .sched
                    .workers()
                    .filter(|status| status.state.is_serving())
                    .filter(|status| status.idle_since.is_some_and(|since| now - since >= IDLE))
                    .map(|status| status.worker)
                    .collect();
                for worker in idle {
                    self.feed(Input::Release(worker));
                }
            }
        }
    }

    fn feed(&mut self, input: Input) {
        let actions = self.bench.on(input);
        self.take(&actions);
    }

    fn take(&mut self, actions: &[Action]) {
        let now = self.bench.now;
        for action in actions {
            match action {
                Action::Launch(worker) => self.plan(LAUNCH, Happening::Launched(*worker)),
                Action::Stop(worker, _) => {
                    self.plan(Duration::from_millis(1), Happening::Gone(*worker));
                }
                Action::Grant { call, .. } => {
                    let arrived = self.waiting.remove(call).expect("it waited");
                    if self.bench.sched.target() < self.bench.sched.bounds().1 {
                        self.worst_wait = self.worst_wait.max(now - arrived);
                    }
                    self.plan(self.service, Happening::Finished(*call));
                }
                Action::Resized { to, .. } => {
                    self.changes.push(now - self.start);
                    self.largest = self.largest.max(*to);
                }
                Action::Draining(..) => {}
                other => panic!("{other:?} in a pool where nothing goes wrong"),
            }
        }
    }

    /// What holds at every moment.
    fn check(&mut self) {
        let sched = &mut self.bench.sched;
        let (min, max) = sched.bounds();
        assert!((min..=max).contains(&sched.target()));
        let overdue = sched
            .queue
            .waiting_since()
            .is_some_and(|since| self.bench.now > since + PATIENCE);
        assert!(
            !overdue || sched.target() == max || sched.workers.launching() > 0,
            "a call waits too long, and nothing is done about it"
        );
    }

    /// Changes of size after the first `settling`.
    fn changes_after(&self, settling: Duration) -> usize {
        self.changes.iter().filter(|at| **at > settling).count()
    }

    /// Leaves the pool alone for as long as it may take to shrink by `workers`.
    fn rest(&mut self, workers: u32) {
        self.run(workers * 16 * COOLDOWN + 2 * IDLE, |_, _| 2 * HOUR);
    }

    fn assert_small_again(&self) {
        let (min, _) = self.bench.sched.bounds();
        assert_eq!(self.bench.sched.target(), min);
        assert_eq!(self.bench.sched.ready(), min);
    }
}

/// Waits until the next of arrivals that come by chance, `per_second` of them.
fn by_chance(simulation: &mut Simulation, per_second: f64) -> Duration {
    let chance = simulation.chance().max(1e-9);
    Duration::from_secs_f64((-chance.ln() / per_second).min(60.0))
}

#[test]
fn a_constant_load_is_met_and_then_nothing_changes() {
    let mut simulation = Simulation::new(1, 32, Duration::from_millis(400));
    simulation.run(2 * HOUR, |_, _| Duration::from_millis(90));
    assert_eq!(simulation.changes_after(5 * MINUTE), 0);
    assert_eq!(simulation.largest, 5, "{:?}", simulation.changes);
    assert!(
        simulation.worst_wait <= BOUND,
        "{:?}",
        simulation.worst_wait
    );
    simulation.rest(32);
    simulation.assert_small_again();
}

/// Four lanes are in use on average, and often three more. The pause between changes grows to 80 s, so that there are at
/// most 45 mistakes in an hour, and as many corrections.
#[test]
fn a_constant_load_that_comes_by_chance_changes_the_size_a_bounded_number_of_times() {
    let mut simulation = Simulation::new(1, 32, Duration::from_millis(400));
    simulation.run(2 * HOUR, |simulation, _| by_chance(simulation, 10.0));
    let changes = simulation.changes_after(5 * MINUTE);
    assert!(changes <= 2 * 90, "{changes} changes");
    assert!(
        simulation.worst_wait <= BOUND,
        "{:?}",
        simulation.worst_wait
    );
    simulation.rest(32);
    simulation.assert_small_again();
}

/// A burst needs five doublings, so the last of it waits for five launches while the pool may still grow.
#[test]
fn bursts_are_met_by_doubling_and_then_kept_in_mind() {
    let mut simulation = Simulation::new(1, 32, Duration::from_millis(200));
    let mut left = 0;
    simulation.run(2 * HOUR, |_, _| {
        left = if left == 0 { 200 } else { left - 1 };
        if left == 200 { MINUTE } else { Duration::ZERO }
    });
    assert_eq!(simulation.largest, 32);
    let worst = PATIENCE + 5 * LAUNCH;
    assert!(
        simulation.worst_wait <= worst,
        "{:?}",
        simulation.worst_wait
    );
    let changes = simulation.changes_after(10 * MINUTE);
    assert!(changes <= 110, "{changes} changes for 110 bursts");
    simulation.rest(32);
    simulation.assert_small_again();
}

#[test]
fn a_sawtooth_is_followed() {
    let mut simulation = Simulation::new(2, 64, Duration::from_millis(200));
    let tooth = 10 * MINUTE;
    simulation.run(2 * HOUR, |simulation, at| {
        let along = (at.as_secs_f64() / tooth.as_secs_f64()).fract();
        by_chance(simulation, 2.0 + 40.0 * along)
    });
    assert!(
        simulation.worst_wait <= BOUND,
        "{:?}",
        simulation.worst_wait
    );
    assert!(
        simulation.changes.len() <= 300,
        "{}",
        simulation.changes.len()
    );
    simulation.rest(64);
    simulation.assert_small_again();
}

#[test]
fn a_load_that_wanders_is_followed() {
    let mut simulation = Simulation::new(1, 64, Duration::from_millis(300));
    let mut rate: f64 = 10.0;
    simulation.run(2 * HOUR, |simulation, _| {
        rate = (rate * (0.98 + 0.04 * simulation.chance())).clamp(0.5, 50.0);
        by_chance(simulation, rate)
    });
    assert!(
        simulation.worst_wait <= BOUND,
        "{:?}",
        simulation.worst_wait
    );
    assert!(
        simulation.changes.len() <= 300,
        "{}",
        simulation.changes.len()
    );
    simulation.rest(64);
    simulation.assert_small_again();
}
