//! The ways a worker of ours ends: broken off, drained and stopped, killed, quarantined. Decides nothing about when,
//! except for a worker with a stuck lane.

use std::time::Instant;

use super::{Action, Hold, Scheduler, WorkerState};
use crate::event::RetireReason;
use crate::ids::{CallId, WorkerId};

impl Scheduler {
    /// Breaks off a launch.
    pub(super) fn break_off(
        &mut self,
        worker: WorkerId,
        reason: RetireReason,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        self.workers.remove(worker);
        self.breaker.ended(worker, now);
        out.push(Action::Abort(worker, reason));
    }

    /// Takes a serving worker out of service; it ends when its last call is over.
    pub(super) fn drain(&mut self, worker: WorkerId, reason: RetireReason, out: &mut Vec<Action>) {
        self.workers.drain(worker, reason.clone());
        self.queue.unbind(worker);
        out.push(Action::Draining(worker, reason));
        self.stop_if_idle(worker, out);
    }

    /// Ends a worker that drains and has no call left.
    pub(super) fn stop_if_idle(&mut self, worker: WorkerId, out: &mut Vec<Action>) {
        if self.workers.is_idle(worker) {
            let reason = self.workers.reason(worker);
            self.workers.stop(worker);
            out.push(Action::Stop(worker, reason.unwrap_or(RetireReason::Resize)));
        }
    }

    /// Kills a worker, whatever it does. False if it is ending already.
    pub(super) fn kill(
        &mut self,
        worker: WorkerId,
        reason: RetireReason,
        now: Instant,
        out: &mut Vec<Action>,
    ) -> bool {
        match self.workers.state(worker) {
            None | Some(WorkerState::Stopping) => return false,
            Some(WorkerState::Launching) => {
                self.break_off(worker, reason, now, out);
                return true;
            }
            Some(WorkerState::Ready | WorkerState::Due) => {
                self.workers.drain(worker, reason.clone());
                self.queue.unbind(worker);
                out.push(Action::Draining(worker, reason.clone()));
            }
            Some(WorkerState::Draining | WorkerState::Quarantined) => {}
        }
        self.workers.stop(worker);
        out.push(Action::Abort(worker, reason));
        true
    }

    /// A lane will not become free. Its worker is killed, but lets its other calls finish first.
    pub(super) fn stuck(&mut self, call: CallId, now: Instant, out: &mut Vec<Action>) {
        let Some(running) = self
            .running
            .get_mut(&call)
            .filter(|running| running.hold != Hold::Stuck)
        else {
            return;
        };
        running.hold = Hold::Stuck;
        let worker = running.worker;
        self.workers.add_stuck(worker);
        match self.workers.state(worker) {
            Some(WorkerState::Quarantined) => self.kill_if_only_stuck(worker, out),
            Some(WorkerState::Ready | WorkerState::Due | WorkerState::Draining)
                if self.workers.working(worker) > 0 =>
            {
                let kill_at = now + self.settings.quarantine_grace;
                self.workers.quarantine(worker, kill_at);
                self.queue.unbind(worker);
                out.push(Action::Quarantined { worker, call });
                self.settle(now, out);
            }
            _ => {
                self.kill(worker, RetireReason::Stuck, now, out);
                self.settle(now, out);
            }
        }
    }

    /// Kills a quarantined worker that has nothing left to finish.
    pub(super) fn kill_if_only_stuck(&mut self, worker: WorkerId, out: &mut Vec<Action>) {
        if self.workers.working(worker) == 0 {
            self.workers.stop(worker);
            out.push(Action::Abort(worker, RetireReason::Stuck));
        }
    }

    /// Kills the quarantined workers whose time is over.
    pub(super) fn end_quarantines(&mut self, now: Instant, out: &mut Vec<Action>) {
        while let Some((kill_at, worker)) = self.workers.first_quarantined() {
            if kill_at > now {
                break;
            }
            self.kill(worker, RetireReason::Stuck, now, out);
        }
    }
}
