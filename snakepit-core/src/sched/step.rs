//! What each input about a worker or the pool does; calls are in [`super::calls`]. Every path that may change which
//! workers there are ends in [`Scheduler::settle`].

use std::time::Instant;

use super::backoff::Failed;
use super::{Action, Input, Phase, Refusal, Scheduler, Slow, WorkerState, WorkerStatus};
use crate::event::{RetireReason, SessionEnd};
use crate::ids::WorkerId;
use crate::worker::Quiesced;

impl Scheduler {
    /// Takes one input and appends what must be done to `out`. The order of actions is the order to do them in.
    pub(crate) fn on(&mut self, input: Input, now: Instant, out: &mut Vec<Action>) {
        match input {
            Input::Arrived(arrival) => self.arrived(arrival, now, out),
            Input::Withdrawn(call) => drop(self.queue.remove(call)),
            Input::Abandoned(call) => self.abandoned(call, out),
            Input::Finished(call) | Input::Quiesced(call, Quiesced::Clean) => {
                self.finished(call, now, out);
            }
            Input::Returned(call) => drop(self.returned(call, now, out)),
            Input::Quiesced(call, Quiesced::Stuck) => self.stuck(call, now, out),
            Input::Launched { worker, lanes } => self.launched(worker, lanes, now, out),
            Input::LaunchFailed { worker, permanent } => {
                self.launch_failed(worker, permanent, now, out);
            }
            Input::Exited(worker) => self.exited(worker, now, out),
            Input::Retire(worker, reason) => self.retire(worker, reason, now, out),
            Input::Condemn(worker, reason) => self.condemn(worker, reason, now, out),
            Input::Tick => self.tick(now, out),
            Input::Release(worker) => self.release(worker, now, out),
            Input::Reload => self.reload(now, out),
            Input::Resize { min, max } => self.resize(min, max, now, out),
            Input::CloseSession(session) => self.end_session(&session, SessionEnd::Closed, out),
            Input::Drain => {
                if self.phase == Phase::Open {
                    self.phase = Phase::Draining;
                }
            }
            Input::Close => self.close(now, out),
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Action>) {
        while let Some(call) = self.queue.pop_expired(now) {
            out.push(Action::Reject {
                call,
                why: self.timeout_refusal(),
            });
        }
        self.slow.scan(&mut self.running, now, out);
        self.expire_sessions(now, out);
        self.settle(now, out);
    }

    fn launched(&mut self, worker: WorkerId, lanes: u16, now: Instant, out: &mut Vec<Action>) {
        if self.workers.make_ready(worker, lanes.max(1), now) {
            self.breaker.ready(worker, now);
            self.fill(worker, now, out);
            self.settle(now, out);
        }
    }

    fn launch_failed(
        &mut self,
        worker: WorkerId,
        permanent: bool,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        if self.workers.remove(worker).is_none() {
            return;
        }
        let failed = self.failed(worker);
        if permanent {
            self.backoff.give_up(failed);
        } else {
            self.backoff.launch_failed(failed, now);
        }
        if self.breaker.launch_failed(worker, now) {
            out.push(Action::Breaker(self.breaker.state()));
        }
        self.settle(now, out);
    }

    fn exited(&mut self, worker: WorkerId, now: Instant, out: &mut Vec<Action>) {
        let Some(status) = self.workers.remove(worker) else {
            return;
        };
        let sessions = &mut self.sessions;
        self.running.retain(|_, running| {
            let stays = running.worker != worker;
            if let Some(stay) = running.session.as_ref().filter(|_| !stays) {
                let ended = sessions.leave(&stay.session, stay.number, false, now);
                out.extend(ended.map(Action::SessionLeft));
            }
            stays
        });
        self.queue.unbind(worker);
        let opened = match status.state {
            WorkerState::Launching => {
                self.backoff.failed(self.failed(worker), now);
                self.breaker.launch_failed(worker, now)
            }
            WorkerState::Stopping => {
                self.breaker.ended(worker, now);
                false
            }
            // It died of itself.
            _ => self.died(&status, now),
        };
        if opened {
            out.push(Action::Breaker(self.breaker.state()));
        }
        self.settle(now, out);
    }

    fn failed(&self, worker: WorkerId) -> Failed {
        let youngest = self.youngest();
        Failed { worker, youngest }
    }

    /// A worker that was ready is lost. True if that opened the breaker.
    fn died(&mut self, status: &WorkerStatus, now: Instant) -> bool {
        if status.state.is_serving() && status.served == 0 && status.busy == 0 {
            let failed = self.failed(status.worker);
            self.backoff.died_young(failed, now);
        }
        self.breaker.died(status.worker, self.restart_budget(), now)
    }

    fn retire(
        &mut self,
        worker: WorkerId,
        reason: RetireReason,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        if self.workers.make_due(worker, reason.clone()) {
            out.push(Action::Due(worker, reason));
            self.settle(now, out);
        }
    }

    /// Ends an idle worker for good, if the pool may shrink and nothing is missed by that.
    fn release(&mut self, worker: WorkerId, now: Instant, out: &mut Vec<Action>) {
        let spare = self.workers.is_serving(worker)
            && self.workers.is_idle(worker)
            && self.workers.serving() >= self.target()
            && self.queue.callers() == 0;
        let from = self.target();
        if self.phase == Phase::Open && spare && self.scale.shrink(now) {
            let to = self.target();
            out.push(Action::Resized { from, to });
            self.drain(worker, RetireReason::Idle, out);
            self.settle(now, out);
        }
    }

    /// Replaces everything there is, whatever kept launches from working before: it may be mended by what is new.
    fn reload(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.phase != Phase::Open {
            return;
        }
        self.backoff.forget();
        for worker in self.workers.ids() {
            match self.workers.state(worker) {
                Some(WorkerState::Launching) => {
                    self.break_off(worker, RetireReason::Reload, now, out);
                }
                Some(WorkerState::Ready) => {
                    self.workers.make_due(worker, RetireReason::Reload);
                    out.push(Action::Due(worker, RetireReason::Reload));
                }
                _ => {}
            }
        }
        self.settle(now, out);
    }

    fn resize(&mut self, min: usize, max: usize, now: Instant, out: &mut Vec<Action>) {
        if self.phase == Phase::Closed {
            return;
        }
        let from = self.target();
        self.scale.resize(min, max, now);
        let to = self.target();
        if from != to {
            out.push(Action::Resized { from, to });
        }
        // Whoever resizes wants workers: what made launches fail may be mended.
        if self.backoff.gave_up() {
            self.backoff.forget();
        }
        self.settle(now, out);
    }

    /// Ends a worker that cannot be trusted. Its calls learn from the worker itself that it is gone. One that a policy
    /// kills before it has finished a call is as good as one that died: the next may fare no better.
    fn condemn(
        &mut self,
        worker: WorkerId,
        reason: RetireReason,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let lost = self.workers.status(worker).filter(|status| {
            let was_ready = status.ready_at.is_some();
            was_ready && status.served == 0 && matches!(reason, RetireReason::Killed(_))
        });
        if !self.kill(worker, reason, now, out) {
            return;
        }
        if lost.is_some_and(|status| self.died(&status, now)) {
            out.push(Action::Breaker(self.breaker.state()));
        }
        self.settle(now, out);
    }

    fn close(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.phase == Phase::Closed {
            return;
        }
        self.phase = Phase::Closed;
        self.wake = None;
        self.scale_at = None;
        self.slow = Slow::new(None);
        self.sessions.clear();
        let calls = self.queue.clear();
        out.extend(calls.into_iter().map(|call| Action::Reject {
            call,
            why: Refusal::Closed,
        }));
        for worker in self.workers.ids() {
            if self.workers.is_idle(worker) && self.workers.is_serving(worker) {
                self.drain(worker, RetireReason::Shutdown, out);
            } else {
                self.kill(worker, RetireReason::Shutdown, now, out);
            }
        }
    }
}
