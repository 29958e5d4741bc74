//! What a pool is doing, as plain data.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::BreakerState;
use super::member::Record;
use super::shared::Shared;
use crate::ids::{PoolName, WorkerId};
use crate::notice::Notice;
use crate::usage::Usage;
use crate::worker::Hello;

/// A pool at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolSnapshot {
    /// The pool.
    pub pool: PoolName,
    /// The profile of its workers.
    pub profile: String,
    /// Workers wanted.
    pub target: usize,
    /// The fewest workers that may be wanted.
    pub min: usize,
    /// The most workers that may be wanted.
    pub max: usize,
    /// Workers that take calls.
    pub ready: usize,
    /// Lanes of all workers that take calls.
    pub lanes: usize,
    /// Calls holding a lane, abandoned ones included.
    pub running: usize,
    /// Calls waiting for a lane.
    pub queued: usize,
    /// Sessions there are.
    pub sessions: usize,
    /// Bytes kept for all of them, so that they can go on on another worker.
    pub session_bytes: u64,
    /// Whether launching workers goes on after deaths.
    pub breaker: BreakerState,
    /// The workers, oldest first.
    pub workers: Vec<WorkerSnapshot>,
    /// What the profile had to say so far.
    pub notices: Vec<Arc<Notice>>,
}

impl PoolSnapshot {
    /// Which share of the lanes is in use, from 0 to 1; 0 without lanes. More than 1 while workers that drain still run
    /// calls.
    pub fn utilization(&self) -> f64 {
        share(self.running, self.lanes)
    }
}

/// A worker at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerSnapshot {
    /// The worker.
    pub worker: WorkerId,
    /// `launching`, `ready`, `due` (for replacement; it serves until that is ready), `quarantined`, `draining` or
    /// `stopping`.
    pub state: &'static str,
    /// Its lanes, 0 until it is ready.
    pub lanes: usize,
    /// Lanes in use.
    pub busy: usize,
    /// Calls it let go of.
    pub served: u64,
    /// Time since it became ready.
    pub age: Option<Duration>,
    /// The operating system's number for it, when it is a process.
    pub process: Option<u32>,
    /// What it used when it was last measured, if that is done.
    pub usage: Option<Usage>,
    /// What it said about itself.
    pub hello: Option<Arc<Hello>>,
}

impl WorkerSnapshot {
    /// Which share of its lanes is in use, from 0 to 1; 0 without lanes.
    pub fn utilization(&self) -> f64 {
        share(self.busy, self.lanes)
    }
}

#[expect(clippy::cast_precision_loss, reason = "lanes are counted in thousands")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

impl Shared {
    pub(super) fn snapshot(&self) -> PoolSnapshot {
        let now = Instant::now();
        // The profile's code runs without the lock.
        let profile = self.profile.kind().to_owned();
        let state = self.state.lock();
        let mut lanes = 0;
        let workers = state.sched.workers().map(|status| {
            let serving = status.state.is_serving();
            lanes += if serving { status.lanes } else { 0 };
            let member = state.members.get(&status.worker);
            let (member, record) = member.map(|(member, record)| (member, record)).unzip();
            let hello = member.map(|member| Arc::clone(&member.hello));
            WorkerSnapshot {
                worker: status.worker,
                state: status.state.name(),
                lanes: status.lanes,
                busy: status.busy,
                served: member.map_or(0, |member| member.tally.finished()),
                age: status.ready_at.map(|at| now.saturating_duration_since(at)),
                process: hello.as_ref().and_then(|hello| hello.process),
                usage: record.and_then(Record::usage),
                hello,
            }
        });
        let workers = workers.collect();
        let (min, max) = state.sched.bounds();
        let (sessions, session_bytes) = state.sched.session_count();
        PoolSnapshot {
            pool: self.name.clone(),
            profile,
            target: state.sched.target(),
            min,
            max,
            ready: state.sched.ready(),
            lanes,
            running: state.sched.running(),
            queued: state.sched.queued(),
            sessions,
            session_bytes,
            breaker: state.sched.breaker(),
            workers,
            notices: state.notices.clone(),
        }
    }
}
