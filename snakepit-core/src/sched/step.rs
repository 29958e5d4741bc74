//! What each input does. Every path ends in [`Scheduler::settle`], which restores the two rules of a pool: no call waits
//! while a lane is free, and there are as many workers as wanted.

use std::time::Instant;

use super::{
    Action, Affinity, Arrival, Input, Phase, Refusal, Running, Scheduler, Waiting, WorkerState,
};
use crate::event::RetireReason;
use crate::ids::{CallId, SessionId, WorkerId};
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
            Input::Quiesced(call, Quiesced::Stuck) => {
                if let Some(running) = self.running.get(&call) {
                    self.condemn(running.worker, RetireReason::Stuck, now, out);
                }
            }
            Input::Launched { worker, lanes } => self.launched(worker, lanes, now, out),
            Input::LaunchFailed { worker, permanent } => {
                self.launch_failed(worker, permanent, now, out);
            }
            Input::Exited(worker) => self.exited(worker, now, out),
            Input::Retire(worker, reason) => {
                self.workers.mark_retiring(worker, reason);
                self.settle(now, out);
            }
            Input::Condemn(worker, reason) => self.condemn(worker, reason, now, out),
            Input::Tick => {
                while let Some(call) = self.queue.pop_expired(now) {
                    out.push(Action::Reject {
                        call,
                        why: self.timeout_refusal(),
                    });
                }
                self.settle(now, out);
            }
            Input::Release(_) | Input::Reload => {}
            Input::Resize { min, max: _ } => {
                self.target = min;
                // Whoever resizes wants workers: what made launches fail may be mended.
                if self.backoff.gave_up() {
                    self.backoff.worked();
                }
                self.settle(now, out);
            }
            Input::Drain => {
                if self.phase == Phase::Open {
                    self.phase = Phase::Draining;
                }
            }
            Input::Close => self.close(out),
        }
    }

    fn arrived(&mut self, arrival: Arrival, now: Instant, out: &mut Vec<Action>) {
        let Arrival {
            call,
            priority,
            session,
            give_up_at,
        } = arrival;
        let refusal = match self.phase {
            Phase::Open if give_up_at <= now => Some(Refusal::QueueTimeout),
            Phase::Open if self.is_hopeless() => Some(Refusal::Unavailable),
            Phase::Open => None,
            Phase::Draining => Some(Refusal::Draining),
            Phase::Closed => Some(Refusal::Closed),
        };
        if let Some(why) = refusal {
            out.push(Action::Reject { call, why });
            return;
        }
        let bound = session
            .as_ref()
            .and_then(|(session, affinity)| Some((self.bound_to(session, now)?, *affinity)));
        let choice = match bound {
            Some((worker, _)) if self.workers.is_open(worker) => Some(worker),
            Some((_, Affinity::StrictFailFast)) => {
                out.push(Action::Reject {
                    call,
                    why: Refusal::SessionBusy,
                });
                return;
            }
            Some((_, Affinity::StrictQueue)) => None,
            Some((_, Affinity::Hint)) | None => self.workers.best_open(),
        };
        if let Some(worker) = choice {
            self.grant(call, session.as_ref(), worker, now, out);
        } else if self.queue.len() >= self.queue_size {
            out.push(Action::Reject {
                call,
                why: Refusal::QueueFull,
            });
        } else {
            let pinned_to = bound
                .filter(|(_, affinity)| *affinity == Affinity::StrictQueue)
                .map(|(worker, _)| worker);
            self.queue.push(
                call,
                Waiting {
                    priority,
                    session,
                    give_up_at,
                },
                pinned_to,
            );
        }
    }

    /// The serving worker the session is bound to.
    fn bound_to(&self, session: &SessionId, now: Instant) -> Option<WorkerId> {
        self.sessions
            .worker(session, now)
            .filter(|worker| self.workers.is_serving(*worker))
    }

    fn grant(
        &mut self,
        call: CallId,
        session: Option<&(SessionId, Affinity)>,
        worker: WorkerId,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let Some(lane) = self.workers.take_lane(worker) else {
            debug_assert!(false, "granted a lane of worker {worker}, which has none");
            return;
        };
        if let Some((session, affinity)) = session {
            // A hint that found its worker busy keeps pointing there: the next call may find it free.
            let keep = *affinity == Affinity::Hint && self.bound_to(session, now).is_some();
            let home = if keep {
                self.bound_to(session, now).unwrap_or(worker)
            } else {
                worker
            };
            self.sessions.pin(session, home, now);
        }
        self.running.insert(
            call,
            Running {
                worker,
                lane,
                abandoned: false,
            },
        );
        out.push(Action::Grant { call, worker, lane });
    }

    fn finished(&mut self, call: CallId, now: Instant, out: &mut Vec<Action>) {
        // Unknown: its worker is gone, and the lane with it.
        let Some(Running { worker, lane, .. }) = self.running.remove(&call) else {
            return;
        };
        self.workers.free_lane(worker, lane, now);
        if self.backoff.failures() > 0 && !self.backoff.gave_up() {
            self.backoff.worked();
        }
        match self.workers.state(worker) {
            Some(WorkerState::Ready) => self.fill(worker, now, out),
            Some(WorkerState::Draining) => self.stop_if_idle(worker, out),
            _ => {}
        }
    }

    fn abandoned(&mut self, call: CallId, out: &mut Vec<Action>) {
        if let Some(running) = self
            .running
            .get_mut(&call)
            .filter(|running| !running.abandoned)
        {
            running.abandoned = true;
            out.push(Action::Cancel {
                call,
                worker: running.worker,
                lane: running.lane,
            });
        }
    }

    fn launched(&mut self, worker: WorkerId, lanes: u16, now: Instant, out: &mut Vec<Action>) {
        if self.workers.make_ready(worker, lanes.max(1), now) {
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
        if permanent {
            self.backoff.give_up();
        } else {
            self.backoff.failed(now);
        }
        if self.is_hopeless() {
            let calls = self.queue.clear();
            out.extend(calls.into_iter().map(|call| Action::Reject {
                call,
                why: Refusal::Unavailable,
            }));
        }
        self.settle(now, out);
    }

    fn exited(&mut self, worker: WorkerId, now: Instant, out: &mut Vec<Action>) {
        let Some(status) = self.workers.remove(worker) else {
            return;
        };
        self.running.retain(|_, running| running.worker != worker);
        self.queue.unbind(worker);
        match status.state {
            WorkerState::Ready if status.served == 0 && status.busy == 0 => {
                self.backoff.died_young(now);
            }
            WorkerState::Launching => self.backoff.failed(now),
            _ => {}
        }
        if self.is_hopeless() {
            let calls = self.queue.clear();
            out.extend(calls.into_iter().map(|call| Action::Reject {
                call,
                why: Refusal::Unavailable,
            }));
        }
        self.settle(now, out);
    }

    /// Ends a worker that cannot be trusted. Its calls learn from the worker itself that it is gone.
    fn condemn(
        &mut self,
        worker: WorkerId,
        reason: RetireReason,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        match self.workers.state(worker) {
            None | Some(WorkerState::Stopping) => return,
            Some(_) => {}
        }
        self.workers.move_to(worker, WorkerState::Stopping);
        self.queue.unbind(worker);
        out.push(Action::Draining(worker, reason.clone()));
        out.push(Action::Abort(worker, reason));
        self.settle(now, out);
    }

    fn close(&mut self, out: &mut Vec<Action>) {
        self.phase = Phase::Closed;
        self.target = 0;
        let calls = self.queue.clear();
        out.extend(calls.into_iter().map(|call| Action::Reject {
            call,
            why: Refusal::Closed,
        }));
        for worker in self.workers.ids() {
            let idle = self.workers.is_idle(worker);
            match self.workers.state(worker) {
                Some(WorkerState::Launching) => {
                    self.workers.remove(worker);
                    out.push(Action::Abort(worker, RetireReason::Shutdown));
                }
                Some(WorkerState::Ready | WorkerState::Draining) => {
                    self.workers.move_to(worker, WorkerState::Stopping);
                    out.push(if idle {
                        Action::Stop(worker, RetireReason::Shutdown)
                    } else {
                        Action::Abort(worker, RetireReason::Shutdown)
                    });
                }
                Some(WorkerState::Stopping) | None => {}
            }
        }
    }

    /// Gives waiting calls to the free lanes of one worker.
    fn fill(&mut self, worker: WorkerId, now: Instant, out: &mut Vec<Action>) {
        while self.workers.is_open(worker) {
            let Some((call, waiting)) = self.queue.pop_for(worker) else {
                return;
            };
            if waiting.give_up_at <= now {
                out.push(Action::Reject {
                    call,
                    why: self.timeout_refusal(),
                });
                continue;
            }
            // The session may have been bound to another worker while its call waited.
            let home = match &waiting.session {
                Some((session, Affinity::StrictQueue | Affinity::StrictFailFast)) => {
                    self.bound_to(session, now)
                }
                _ => None,
            };
            let home = home.unwrap_or(worker);
            if self.workers.is_open(home) {
                self.grant(call, waiting.session.as_ref(), home, now, out);
            } else {
                self.queue.push(call, waiting, Some(home));
            }
        }
    }

    /// Restores the rules after anything that changed which workers there are.
    fn settle(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.phase == Phase::Closed {
            return;
        }
        // Calls given back by a worker that is gone may fit on lanes that were free all along.
        while !self.queue.is_empty() {
            let Some(worker) = self.workers.best_open() else {
                break;
            };
            let before = self.queue.len();
            self.fill(worker, now, out);
            if self.queue.len() == before {
                break;
            }
        }
        while self.workers.serving() > self.target {
            let marked = self.workers.first_retiring();
            let Some(worker) = marked.or_else(|| self.workers.least_busy()) else {
                break;
            };
            let reason = self
                .workers
                .retire_reason(worker)
                .unwrap_or(RetireReason::Resize);
            self.workers.move_to(worker, WorkerState::Draining);
            self.queue.unbind(worker);
            out.push(Action::Draining(worker, reason));
            self.stop_if_idle(worker, out);
        }
        while self.workers.launching() + self.workers.serving() > self.wanted() {
            let Some(worker) = self.workers.youngest_launching() else {
                break;
            };
            self.workers.remove(worker);
            out.push(Action::Abort(worker, RetireReason::Resize));
        }
        while self.wants_launch() && self.backoff.may_launch(now) {
            let worker = WorkerId::new(self.next_worker);
            self.next_worker += 1;
            self.workers.add_launching(worker);
            out.push(Action::Launch(worker));
        }
    }

    fn stop_if_idle(&mut self, worker: WorkerId, out: &mut Vec<Action>) {
        if self.workers.is_idle(worker) {
            self.workers.move_to(worker, WorkerState::Stopping);
            out.push(Action::Stop(worker, RetireReason::Resize));
        }
    }

    /// Workers wanted now: the target, and one more for each worker being replaced, a quarter of the pool at a time.
    fn wanted(&self) -> usize {
        let at_once = (self.target / 4).max(1);
        self.target + self.workers.retiring().min(at_once)
    }

    pub(super) fn wants_launch(&self) -> bool {
        self.phase != Phase::Closed
            && !self.backoff.gave_up()
            && self.workers.launching() + self.workers.serving() < self.wanted()
    }

    /// Nothing serves, nothing will.
    fn is_hopeless(&self) -> bool {
        self.backoff.gave_up() && self.workers.serving() == 0 && self.workers.launching() == 0
    }

    /// A call that waited in vain is told of the launches that fail, if that is why.
    fn timeout_refusal(&self) -> Refusal {
        if self.workers.serving() == 0 && self.backoff.failures() > 0 {
            Refusal::Unavailable
        } else {
            Refusal::QueueTimeout
        }
    }

    /// Where a call runs.
    #[cfg(test)]
    pub(super) fn place(&self, call: CallId) -> Option<(WorkerId, crate::ids::LaneId)> {
        self.running
            .get(&call)
            .map(|running| (running.worker, running.lane))
    }
}
