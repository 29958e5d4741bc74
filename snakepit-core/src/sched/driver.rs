//! The scheduler driven as fast as it goes, for benchmarks. Knows nothing the engine does not.

use std::time::{Duration, Instant};

use super::{Action, Affinity, Arrival, Input, Priority, Scheduler, SchedulerConfig};
use crate::ids::CallId;
use crate::pool::PoolSettings;

/// A scheduler with all workers ready and every lane busy, so that each call queues before it runs.
#[derive(Debug)]
pub struct SchedulerDriver {
    sched: Scheduler,
    now: Instant,
    actions: Vec<Action>,
    running: std::collections::VecDeque<CallId>,
    next_call: u64,
}

impl SchedulerDriver {
    /// `workers` workers of `lanes` lanes each, all busy, and `queued` calls waiting.
    pub fn new(workers: usize, lanes: u16, queued: usize) -> Self {
        let config = SchedulerConfig {
            settings: PoolSettings {
                size: workers,
                queue_size: queued + 1,
                ..PoolSettings::default()
            },
            seed: 1,
        };
        let mut driver = Self {
            sched: Scheduler::new(&config),
            now: Instant::now(),
            actions: Vec::new(),
            running: std::collections::VecDeque::new(),
            next_call: 1,
        };
        driver.on(Input::Tick);
        let launched: Vec<_> = driver.sched.workers().map(|status| status.worker).collect();
        for worker in launched {
            driver.on(Input::Launched { worker, lanes });
        }
        for _ in 0..workers * usize::from(lanes) + queued {
            driver.arrive();
        }
        driver
    }

    /// One call arrives and waits; another finishes, and the longest waiting one takes its lane.
    ///
    /// # Panics
    /// If the scheduler granted nothing, which it always does here.
    pub fn cycle(&mut self) {
        self.arrive();
        let done = self.running.pop_front().expect("all lanes are busy");
        self.on(Input::Finished(done));
    }

    fn arrive(&mut self) {
        let call = CallId::new(self.next_call);
        self.next_call += 1;
        let session: Option<(_, Affinity)> = None;
        let give_up_at = self.now + Duration::from_secs(5);
        self.on(Input::Arrived(Arrival {
            call,
            priority: Priority::Normal,
            session,
            only_on: None,
            give_up_at,
            deadline: give_up_at,
        }));
    }

    fn on(&mut self, input: Input) {
        self.sched.on(input, self.now, &mut self.actions);
        for action in self.actions.drain(..) {
            if let Action::Grant { call, .. } = action {
                self.running.push_back(call);
            }
        }
    }
}
