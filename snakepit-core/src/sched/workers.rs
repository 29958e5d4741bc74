//! The workers of a pool and their lanes; knows no queue and decides nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::event::RetireReason;
use crate::ids::{LaneId, WorkerId};

/// Where a worker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WorkerState {
    /// Being started.
    Launching,
    /// Takes calls.
    Ready,
    /// Finishes its calls, takes no more.
    Draining,
    /// Was told to end.
    Stopping,
}

/// What the rest of the pool may know of a worker.
#[derive(Clone, Debug)]
pub(crate) struct WorkerStatus {
    pub(crate) worker: WorkerId,
    pub(crate) state: WorkerState,
    pub(crate) lanes: usize,
    pub(crate) busy: usize,
    pub(crate) served: u64,
    pub(crate) ready_at: Option<Instant>,
    pub(crate) idle_since: Option<Instant>,
    pub(crate) retiring: bool,
}

#[derive(Debug)]
struct Slot {
    state: WorkerState,
    lanes: usize,
    /// Free lanes, the most recently used last.
    free: Vec<LaneId>,
    served: u64,
    /// When a lane was last freed, as a number: the tie-breaker that prefers warm workers.
    freed: u64,
    ready_at: Option<Instant>,
    idle_since: Option<Instant>,
    /// Why it will drain once a replacement is ready.
    retire: Option<RetireReason>,
}

impl Slot {
    fn busy(&self) -> usize {
        self.lanes - self.free.len()
    }

    fn rank(&self, worker: WorkerId) -> Rank {
        (self.busy(), Reverse(self.freed), worker)
    }

    fn is_open(&self) -> bool {
        self.state == WorkerState::Ready && !self.free.is_empty()
    }
}

/// Fewest busy lanes first, so that calls spread; among equals the most recently used, so that caches stay warm.
type Rank = (usize, Reverse<u64>, WorkerId);

/// All workers that are not gone.
#[derive(Debug, Default)]
pub(super) struct Workers {
    slots: BTreeMap<WorkerId, Slot>,
    /// Ready workers with a free lane.
    open: BTreeSet<Rank>,
    freed: u64,
    launching: usize,
    serving: usize,
    retiring: BTreeSet<WorkerId>,
}

impl Workers {
    pub(super) fn launching(&self) -> usize {
        self.launching
    }

    /// Workers that take calls.
    pub(super) fn serving(&self) -> usize {
        self.serving
    }

    /// Serving workers that are due for replacement.
    pub(super) fn retiring(&self) -> usize {
        self.retiring.len()
    }

    pub(super) fn first_retiring(&self) -> Option<WorkerId> {
        self.retiring.first().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = WorkerStatus> + '_ {
        self.slots.keys().filter_map(|worker| self.status(*worker))
    }

    pub(super) fn ids(&self) -> Vec<WorkerId> {
        self.slots.keys().copied().collect()
    }

    pub(super) fn status(&self, worker: WorkerId) -> Option<WorkerStatus> {
        let slot = self.slots.get(&worker)?;
        Some(WorkerStatus {
            worker,
            state: slot.state,
            lanes: slot.lanes,
            busy: slot.busy(),
            served: slot.served,
            ready_at: slot.ready_at,
            idle_since: slot.idle_since,
            retiring: slot.retire.is_some(),
        })
    }

    pub(super) fn state(&self, worker: WorkerId) -> Option<WorkerState> {
        self.slots.get(&worker).map(|slot| slot.state)
    }

    pub(super) fn is_serving(&self, worker: WorkerId) -> bool {
        self.state(worker) == Some(WorkerState::Ready)
    }

    pub(super) fn is_open(&self, worker: WorkerId) -> bool {
        self.slots.get(&worker).is_some_and(Slot::is_open)
    }

    pub(super) fn is_idle(&self, worker: WorkerId) -> bool {
        self.slots.get(&worker).is_some_and(|slot| slot.busy() == 0)
    }

    pub(super) fn add_launching(&mut self, worker: WorkerId) {
        self.launching += 1;
        let slot = Slot {
            state: WorkerState::Launching,
            lanes: 0,
            free: Vec::new(),
            served: 0,
            freed: 0,
            ready_at: None,
            idle_since: None,
            retire: None,
        };
        self.slots.insert(worker, slot);
    }

    /// Makes a launching worker ready. False if it is not launching.
    pub(super) fn make_ready(&mut self, worker: WorkerId, lanes: u16, now: Instant) -> bool {
        let Some(slot) = self
            .slots
            .get_mut(&worker)
            .filter(|slot| slot.state == WorkerState::Launching)
        else {
            return false;
        };
        slot.state = WorkerState::Ready;
        slot.lanes = lanes.into();
        slot.free = (0..lanes).rev().map(LaneId::new).collect();
        slot.ready_at = Some(now);
        slot.idle_since = Some(now);
        self.launching -= 1;
        self.serving += 1;
        self.open.insert(slot.rank(worker));
        true
    }

    /// Marks a serving worker as due for replacement. False if it does not serve or is marked already.
    pub(super) fn mark_retiring(&mut self, worker: WorkerId, reason: RetireReason) -> bool {
        match self.slots.get_mut(&worker) {
            Some(slot) if slot.state == WorkerState::Ready && slot.retire.is_none() => {
                slot.retire = Some(reason);
                self.retiring.insert(worker)
            }
            _ => false,
        }
    }

    pub(super) fn retire_reason(&self, worker: WorkerId) -> Option<RetireReason> {
        self.slots.get(&worker)?.retire.clone()
    }

    /// Moves a worker on to draining or stopping.
    pub(super) fn move_to(&mut self, worker: WorkerId, state: WorkerState) {
        let Some(slot) = self.slots.get_mut(&worker) else {
            return;
        };
        match slot.state {
            WorkerState::Launching => self.launching -= 1,
            WorkerState::Ready => self.serving -= 1,
            WorkerState::Draining | WorkerState::Stopping => {}
        }
        self.open.remove(&slot.rank(worker));
        self.retiring.remove(&worker);
        slot.state = state;
    }

    pub(super) fn remove(&mut self, worker: WorkerId) -> Option<WorkerStatus> {
        let status = self.status(worker)?;
        self.move_to(worker, WorkerState::Stopping);
        self.slots.remove(&worker);
        Some(status)
    }

    /// The worker the next call should go to.
    pub(super) fn best_open(&self) -> Option<WorkerId> {
        self.open.first().map(|(_, _, worker)| *worker)
    }

    /// The serving worker whose loss costs least: the one with the fewest calls, the youngest among equals.
    pub(super) fn least_busy(&self) -> Option<WorkerId> {
        let serving = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.state == WorkerState::Ready);
        serving
            .min_by_key(|(worker, slot)| (slot.busy(), Reverse(**worker)))
            .map(|(worker, _)| *worker)
    }

    pub(super) fn youngest_launching(&self) -> Option<WorkerId> {
        let mut newest_first = self.slots.iter().rev();
        newest_first
            .find(|(_, slot)| slot.state == WorkerState::Launching)
            .map(|(worker, _)| *worker)
    }

    /// Takes a free lane of a ready worker.
    pub(super) fn take_lane(&mut self, worker: WorkerId) -> Option<LaneId> {
        let slot = self.slots.get_mut(&worker).filter(|slot| slot.is_open())?;
        self.open.remove(&slot.rank(worker));
        let lane = slot.free.pop()?;
        slot.idle_since = None;
        if slot.is_open() {
            self.open.insert(slot.rank(worker));
        }
        Some(lane)
    }

    /// Gives a lane back.
    pub(super) fn free_lane(&mut self, worker: WorkerId, lane: LaneId, now: Instant) {
        let Some(slot) = self.slots.get_mut(&worker) else {
            return;
        };
        self.open.remove(&slot.rank(worker));
        self.freed += 1;
        slot.freed = self.freed;
        slot.free.push(lane);
        slot.served += 1;
        if slot.busy() == 0 {
            slot.idle_since = Some(now);
        }
        if slot.is_open() {
            self.open.insert(slot.rank(worker));
        }
    }
}
