//! The workers of a pool and their lanes; knows no queue and decides nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::state::{WorkerState, is_allowed};
use crate::event::RetireReason;
use crate::ids::{LaneId, WorkerId};

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
}

#[derive(Debug)]
struct Slot {
    state: WorkerState,
    lanes: usize,
    /// Free lanes, the most recently used last.
    free: Vec<LaneId>,
    /// Lanes that will not become free.
    stuck: usize,
    served: u64,
    /// When a lane was last freed, as a number: the tie-breaker that prefers warm workers.
    freed: u64,
    ready_at: Option<Instant>,
    idle_since: Option<Instant>,
    /// When a session that insists on this worker last used it.
    insisted_at: Option<Instant>,
    /// Why it is due, or drains.
    reason: Option<RetireReason>,
    /// Its place among those that are due.
    due: u64,
    /// Since when there is a replacement for it.
    replaced_at: Option<Instant>,
    /// Until when its other calls may go on while it is quarantined.
    kill_at: Option<Instant>,
}

impl Slot {
    fn busy(&self) -> usize {
        self.lanes - self.free.len()
    }

    fn rank(&self, worker: WorkerId) -> Rank {
        (self.busy(), Reverse(self.freed), worker)
    }

    fn is_open(&self) -> bool {
        self.state.is_serving() && !self.free.is_empty()
    }
}

/// Fewest busy lanes first, so that calls spread; among equals the most recently used, so that caches stay warm.
type Rank = (usize, Reverse<u64>, WorkerId);

/// All workers that are not gone.
#[derive(Debug, Default)]
pub(super) struct Workers {
    slots: BTreeMap<WorkerId, Slot>,
    /// Serving workers with a free lane.
    open: BTreeSet<Rank>,
    freed: u64,
    launching: usize,
    serving: usize,
    /// In the order they became due.
    due: BTreeMap<u64, WorkerId>,
    next_due: u64,
    /// Those of the due that have a replacement.
    replaced: usize,
    quarantined: BTreeSet<(Instant, WorkerId)>,
    /// Lanes of the worker that became ready last.
    lanes_each: usize,
}

impl Workers {
    pub(super) fn launching(&self) -> usize {
        self.launching
    }

    /// Workers that take calls.
    pub(super) fn serving(&self) -> usize {
        self.serving
    }

    /// Serving workers that are due for replacement, the one that has been so for longest first.
    pub(super) fn due(&self) -> impl ExactSizeIterator<Item = WorkerId> + '_ {
        self.due.values().copied()
    }

    /// Workers that take calls and are not about to leave.
    pub(super) fn staying(&self) -> usize {
        self.serving - self.replaced
    }

    /// The quarantined worker whose time is over first.
    pub(super) fn first_quarantined(&self) -> Option<(Instant, WorkerId)> {
        self.quarantined.first().copied()
    }

    /// How many lanes a worker has, as far as is known.
    pub(super) fn lanes_each(&self) -> usize {
        self.lanes_each.max(1)
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
        })
    }

    pub(super) fn state(&self, worker: WorkerId) -> Option<WorkerState> {
        self.slots.get(&worker).map(|slot| slot.state)
    }

    pub(super) fn is_serving(&self, worker: WorkerId) -> bool {
        self.state(worker).is_some_and(WorkerState::is_serving)
    }

    pub(super) fn is_open(&self, worker: WorkerId) -> bool {
        self.slots.get(&worker).is_some_and(Slot::is_open)
    }

    pub(super) fn is_idle(&self, worker: WorkerId) -> bool {
        self.slots.get(&worker).is_some_and(|slot| slot.busy() == 0)
    }

    /// When it became ready.
    pub(super) fn ready_at(&self, worker: WorkerId) -> Option<Instant> {
        self.slots.get(&worker)?.ready_at
    }

    /// Lanes in use by calls that will let go of them.
    pub(super) fn working(&self, worker: WorkerId) -> usize {
        self.slots
            .get(&worker)
            .map_or(0, |slot| slot.busy() - slot.stuck)
    }

    pub(super) fn reason(&self, worker: WorkerId) -> Option<RetireReason> {
        self.slots.get(&worker)?.reason.clone()
    }

    pub(super) fn add_launching(&mut self, worker: WorkerId) {
        debug_assert!(is_allowed(None, Some(WorkerState::Launching)));
        self.launching += 1;
        let slot = Slot {
            state: WorkerState::Launching,
            lanes: 0,
            free: Vec::new(),
            stuck: 0,
            served: 0,
            freed: 0,
            ready_at: None,
            idle_since: None,
            insisted_at: None,
            reason: None,
            due: 0,
            replaced_at: None,
            kill_at: None,
        };
        self.slots.insert(worker, slot);
    }

    /// Makes a launching worker ready. False if it is not launching.
    pub(super) fn make_ready(&mut self, worker: WorkerId, lanes: u16, now: Instant) -> bool {
        if self.state(worker) != Some(WorkerState::Launching) {
            return false;
        }
        self.lanes_each = lanes.into();
        self.enter(worker, WorkerState::Ready, |slot| {
            slot.lanes = lanes.into();
            slot.free = (0..lanes).rev().map(LaneId::new).collect();
            slot.ready_at = Some(now);
            slot.idle_since = Some(now);
        });
        true
    }

    /// Marks a ready worker as due for replacement. False if it is not ready, or due already.
    pub(super) fn make_due(&mut self, worker: WorkerId, reason: RetireReason) -> bool {
        if self.state(worker) != Some(WorkerState::Ready) {
            return false;
        }
        self.next_due += 1;
        let place = self.next_due;
        self.enter(worker, WorkerState::Due, |slot| {
            slot.reason = Some(reason);
            slot.due = place;
        });
        true
    }

    /// Takes a worker with a stuck lane out of service.
    pub(super) fn quarantine(&mut self, worker: WorkerId, kill_at: Instant) {
        self.enter(worker, WorkerState::Quarantined, |slot| {
            slot.kill_at = Some(kill_at);
        });
    }

    /// Takes a serving worker out of service.
    pub(super) fn drain(&mut self, worker: WorkerId, reason: RetireReason) {
        self.enter(worker, WorkerState::Draining, |slot| {
            slot.reason = Some(reason);
        });
    }

    pub(super) fn stop(&mut self, worker: WorkerId) {
        self.enter(worker, WorkerState::Stopping, |_| {});
    }

    pub(super) fn remove(&mut self, worker: WorkerId) -> Option<WorkerStatus> {
        let status = self.status(worker)?;
        debug_assert!(is_allowed(Some(status.state), None));
        self.leave(worker);
        self.slots.remove(&worker);
        Some(status)
    }

    /// Moves a worker to another state, keeping the books that go by state.
    fn enter(&mut self, worker: WorkerId, state: WorkerState, change: impl FnOnce(&mut Slot)) {
        self.leave(worker);
        let Some(slot) = self.slots.get_mut(&worker) else {
            return;
        };
        debug_assert!(
            is_allowed(Some(slot.state), Some(state)),
            "worker {worker} moves from {:?} to {state:?}",
            slot.state
        );
        slot.state = state;
        change(slot);
        match state {
            WorkerState::Launching => self.launching += 1,
            WorkerState::Ready => self.serving += 1,
            WorkerState::Due => {
                self.serving += 1;
                self.due.insert(slot.due, worker);
            }
            WorkerState::Quarantined => {
                let kill_at = slot.kill_at.map(|at| (at, worker));
                self.quarantined.extend(kill_at);
            }
            WorkerState::Draining | WorkerState::Stopping => {}
        }
        if slot.is_open() {
            self.open.insert(slot.rank(worker));
        }
    }

    /// Takes a worker out of the books that go by state.
    fn leave(&mut self, worker: WorkerId) {
        let Some(slot) = self.slots.get(&worker) else {
            return;
        };
        match slot.state {
            WorkerState::Launching => self.launching -= 1,
            WorkerState::Ready => self.serving -= 1,
            WorkerState::Due => {
                self.serving -= 1;
                self.due.remove(&slot.due);
                self.replaced -= usize::from(slot.replaced_at.is_some());
            }
            WorkerState::Quarantined => {
                if let Some(at) = slot.kill_at {
                    self.quarantined.remove(&(at, worker));
                }
            }
            WorkerState::Draining | WorkerState::Stopping => {}
        }
        self.open.remove(&slot.rank(worker));
    }

    /// The worker the next call should go to.
    pub(super) fn best_open(&self) -> Option<WorkerId> {
        self.open.first().map(|(_, _, worker)| *worker)
    }

    /// The worker a new session should be bound to: one that will stay, if such a one has a free lane.
    pub(super) fn best_open_to_stay(&self) -> Option<WorkerId> {
        let all_due = self.due.len() == self.serving;
        let mut open = self.open.iter().map(|(_, _, worker)| *worker);
        open.find(|worker| !all_due && self.state(*worker) == Some(WorkerState::Ready))
            .or_else(|| self.best_open())
    }

    /// The serving worker whose loss costs least, of those that are not due: the one with the fewest calls, the youngest
    /// among equals.
    pub(super) fn least_busy(&self) -> Option<WorkerId> {
        let ready = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.state == WorkerState::Ready);
        ready
            .min_by_key(|(worker, slot)| (slot.busy(), Reverse(**worker)))
            .map(|(worker, _)| *worker)
    }

    /// Notes that a session that insists on this worker uses it.
    pub(super) fn insist(&mut self, worker: WorkerId, now: Instant) {
        if let Some(slot) = self.slots.get_mut(&worker) {
            slot.insisted_at = Some(now);
        }
    }

    /// When a session that insists on this worker last used it.
    pub(super) fn insisted_at(&self, worker: WorkerId) -> Option<Instant> {
        self.slots.get(&worker)?.insisted_at
    }

    /// Notes that there is a replacement for this due worker, and returns since when.
    pub(super) fn replaced_at(&mut self, worker: WorkerId, now: Instant) -> Instant {
        let Some(slot) = self.slots.get_mut(&worker) else {
            return now;
        };
        *slot.replaced_at.get_or_insert_with(|| {
            self.replaced += 1;
            now
        })
    }

    /// Notes that one more lane of this worker is stuck.
    pub(super) fn add_stuck(&mut self, worker: WorkerId) {
        if let Some(slot) = self.slots.get_mut(&worker) {
            slot.stuck += 1;
        }
    }

    /// Notes that a stuck lane let go after all.
    pub(super) fn remove_stuck(&mut self, worker: WorkerId) {
        if let Some(slot) = self.slots.get_mut(&worker) {
            slot.stuck -= 1;
        }
    }

    /// Notes that it has finished a call.
    pub(super) fn count_served(&mut self, worker: WorkerId) {
        if let Some(slot) = self.slots.get_mut(&worker) {
            slot.served += 1;
        }
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
        if slot.busy() == 0 {
            slot.idle_since = Some(now);
        }
        if slot.is_open() {
            self.open.insert(slot.rank(worker));
        }
    }
}
