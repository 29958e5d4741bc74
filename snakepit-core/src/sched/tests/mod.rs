//! What the scheduler promises. Here is what the tests share: a scheduler, a clock and what came out last.

mod calls;
mod histories;
mod model;
mod quarantine;
mod recycling;
mod restart;
mod scaling;
mod sessions;
mod table;
mod workers;

use std::time::{Duration, Instant};

use super::*;

/// A scheduler, a clock and the actions of the last input.
struct Bench {
    sched: Scheduler,
    now: Instant,
    out: Vec<Action>,
    next_call: u64,
}

impl Bench {
    fn new(target: usize, queue_size: usize) -> Self {
        Self::with(PoolSettings {
            size: target,
            queue_size,
            session_ttl: Duration::from_secs(60),
            ..PoolSettings::default()
        })
    }

    fn with(settings: PoolSettings) -> Self {
        let config = SchedulerConfig { settings, seed: 1 };
        let mut bench = Self {
            sched: Scheduler::new(&config),
            now: Instant::now(),
            out: Vec::new(),
            next_call: 1,
        };
        bench.on(Input::Tick);
        bench
    }

    /// With all workers ready.
    fn ready(target: usize, lanes: u16) -> Self {
        let mut bench = Self::new(target, 100);
        bench.finish_launches(lanes);
        bench
    }

    fn on(&mut self, input: Input) -> Vec<Action> {
        self.out.clear();
        self.sched.on(input, self.now, &mut self.out);
        self.out.clone()
    }

    fn finish_launches(&mut self, lanes: u16) -> Vec<Action> {
        let launching: Vec<_> = self.with_state(WorkerState::Launching);
        launching
            .into_iter()
            .flat_map(|worker| self.on(Input::Launched { worker, lanes }))
            .collect()
    }

    fn with_state(&self, state: WorkerState) -> Vec<WorkerId> {
        self.sched
            .workers()
            .filter(|status| status.state == state)
            .map(|status| status.worker)
            .collect()
    }

    fn arrive(&mut self) -> (CallId, Vec<Action>) {
        self.arrive_with(Priority::Normal, None)
    }

    fn arrive_with(
        &mut self,
        priority: Priority,
        session: Option<(&str, Affinity)>,
    ) -> (CallId, Vec<Action>) {
        let session = session.map(|(name, affinity)| (SessionId::new(name), affinity));
        let (patience, time_left) = (Duration::from_secs(5), Duration::from_secs(60));
        self.arrive_in_haste(priority, session, patience, time_left)
    }

    /// A call that waits no longer than `patience`, and is of no use after `time_left`.
    fn arrive_in_haste(
        &mut self,
        priority: Priority,
        session: Option<(SessionId, Affinity)>,
        patience: Duration,
        time_left: Duration,
    ) -> (CallId, Vec<Action>) {
        let call = CallId::new(self.next_call);
        self.next_call += 1;
        let actions = self.on(Input::Arrived(Arrival {
            call,
            priority,
            session,
            only_on: None,
            give_up_at: self.now + patience.min(time_left),
            deadline: self.now + time_left,
        }));
        (call, actions)
    }

    /// A call of the pool's own, for one worker.
    fn errand(&mut self, worker: WorkerId) -> (CallId, Vec<Action>) {
        let call = CallId::new(self.next_call);
        self.next_call += 1;
        let give_up_at = self.now + Duration::from_secs(60);
        let actions = self.on(Input::Arrived(Arrival {
            call,
            priority: Priority::Normal,
            session: None,
            only_on: Some(worker),
            give_up_at,
            deadline: give_up_at,
        }));
        (call, actions)
    }

    /// Goes to the next time the scheduler asked for, which has to come.
    fn wake(&mut self) -> Vec<Action> {
        let at = self.sched.wake_at().expect("a tick was asked for");
        assert!(at > self.now, "a tick was asked for that is over");
        self.now = at;
        self.on(Input::Tick)
    }

    /// Lets `span` pass, with every tick that is asked for.
    fn pass(&mut self, span: Duration) -> Vec<Action> {
        let (end, mut all) = (self.now + span, Vec::new());
        while self.sched.wake_at().is_some_and(|at| at <= end) {
            all.extend(self.wake());
        }
        self.now = end;
        all
    }

    fn state(&self, worker: WorkerId) -> Option<WorkerState> {
        self.sched.worker(worker).map(|status| status.state)
    }

    fn worker_of(&self, call: CallId) -> Option<WorkerId> {
        self.sched.place(call).map(|(worker, _)| worker)
    }
}

fn granted(actions: &[Action]) -> Vec<CallId> {
    let calls = actions.iter().filter_map(|action| match action {
        Action::Grant { call, .. } => Some(*call),
        _ => None,
    });
    calls.collect()
}

fn refused(actions: &[Action]) -> Vec<Refusal> {
    let refusals = actions.iter().filter_map(|action| match action {
        Action::Reject { why, .. } => Some(*why),
        _ => None,
    });
    refusals.collect()
}

fn launches(actions: &[Action]) -> usize {
    actions
        .iter()
        .filter(|action| matches!(action, Action::Launch(_)))
        .count()
}

/// What was said of one worker.
fn about(actions: &[Action], worker: WorkerId) -> Vec<Action> {
    let about = actions.iter().filter(|action| match action {
        Action::Launch(id)
        | Action::Due(id, _)
        | Action::Draining(id, _)
        | Action::Stop(id, _)
        | Action::Abort(id, _)
        | Action::Quarantined { worker: id, .. } => *id == worker,
        _ => false,
    });
    about.cloned().collect()
}
