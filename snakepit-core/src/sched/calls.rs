//! What becomes of calls: a lane at once, a place in the queue, or a refusal. Knows of workers only which have a lane.

use std::time::Instant;

use super::{
    Action, Affinity, Arrival, Hold, Phase, Refusal, Running, Scheduler, Stay, Waiting, WorkerState,
};
use crate::ids::{CallId, SessionId, WorkerId};

impl Scheduler {
    pub(super) fn arrived(&mut self, arrival: Arrival, now: Instant, out: &mut Vec<Action>) {
        let Arrival {
            call,
            priority,
            session,
            only_on,
            give_up_at,
            deadline,
        } = arrival;
        let refusal = match self.phase {
            Phase::Open if deadline <= now => Some(Refusal::QueueTimeout),
            Phase::Open => self.hopeless(),
            Phase::Draining => Some(Refusal::Draining),
            Phase::Closed => Some(Refusal::Closed),
        };
        if let Some(why) = refusal {
            out.push(Action::Reject { call, why });
            return;
        }
        let bound = match self.bound_to(session.as_ref(), only_on, now, out) {
            Ok(bound) => bound,
            Err(why) => {
                out.push(Action::Reject { call, why });
                return;
            }
        };
        // The pool's own calls are few, and somebody waits for what they free.
        let is_own = only_on.is_some() && session.is_none();
        let affinity = session.as_ref().map(|(_, affinity)| *affinity);
        let choice = match bound {
            Some(worker) if self.workers.is_open(worker) => Some(worker),
            Some(_) if affinity == Some(Affinity::StrictFailFast) => {
                out.push(Action::Reject {
                    call,
                    why: Refusal::SessionBusy,
                });
                return;
            }
            Some(_) if affinity != Some(Affinity::Hint) => None,
            None if session.is_some() => self.workers.best_open_to_stay(),
            Some(_) | None => self.workers.best_open(),
        };
        if let Some(worker) = choice {
            self.grant(call, session, worker, now, out);
        } else if give_up_at <= now {
            out.push(Action::Reject {
                call,
                why: self.timeout_refusal(),
            });
        } else if self.queue.callers() >= self.settings.queue_size && !is_own {
            out.push(Action::Reject {
                call,
                why: Refusal::QueueFull,
            });
        } else {
            let pinned_to = bound.filter(|_| affinity != Some(Affinity::Hint));
            self.queue.push(
                call,
                Waiting {
                    priority,
                    session,
                    only_on,
                    since: now,
                    give_up_at,
                },
                pinned_to,
            );
            if pinned_to.is_none() && self.scale_at.is_none() && self.may_grow() {
                self.scale_at = Some(now + self.scale.patience());
            }
        }
    }

    /// The serving worker a call has to run on, or should; or why there can be no such call.
    fn bound_to(
        &mut self,
        session: Option<&(SessionId, Affinity)>,
        only_on: Option<WorkerId>,
        now: Instant,
        out: &mut Vec<Action>,
    ) -> Result<Option<WorkerId>, Refusal> {
        match (only_on, session) {
            (Some(worker), _) if !self.workers.is_serving(worker) => Err(Refusal::WorkerGone),
            // What it needs there went with its session.
            (Some(_), Some((session, _))) if self.sessions.number(session).is_none() => {
                Err(Refusal::WorkerGone)
            }
            (Some(worker), _) => Ok(Some(worker)),
            (None, Some((session, affinity))) => self.seek(session, *affinity, now, out),
            (None, None) => Ok(None),
        }
    }

    fn grant(
        &mut self,
        call: CallId,
        session: Option<(SessionId, Affinity)>,
        worker: WorkerId,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let Some(lane) = self.workers.take_lane(worker) else {
            debug_assert!(false, "granted a lane of worker {worker}, which has none");
            return;
        };
        let visit = (session.as_ref()).map(|session| self.enter(session, worker, now, out));
        self.slow.started(now);
        self.running.insert(
            call,
            Running {
                worker,
                lane,
                session: session
                    .zip(visit.as_ref())
                    .map(|((session, affinity), visit)| Stay {
                        session,
                        number: visit.number,
                        affinity,
                    }),
                since: now,
                hold: Hold::Working,
            },
        );
        out.push(Action::Grant {
            call,
            worker,
            lane,
            visit,
        });
    }

    /// A call is over, which speaks for its worker.
    pub(super) fn finished(&mut self, call: CallId, now: Instant, out: &mut Vec<Action>) {
        let Some(worker) = self.returned(call, now, out) else {
            return;
        };
        self.workers.count_served(worker);
        let closed = self.breaker.finished(worker, now);
        if closed {
            out.push(Action::Breaker(self.breaker.state()));
        }
        let ready_at = self.workers.ready_at(worker);
        let mended = ready_at.is_some_and(|at| self.backoff.worked(at));
        if closed || mended {
            self.settle(now, out);
        }
    }

    /// Takes a lane back and uses it. Returns whose it is.
    pub(super) fn returned(
        &mut self,
        call: CallId,
        now: Instant,
        out: &mut Vec<Action>,
    ) -> Option<WorkerId> {
        // Unknown: its worker is gone, and the lane with it.
        let running = self.running.remove(&call)?;
        let worker = running.worker;
        if running.hold == Hold::Stuck {
            self.workers.remove_stuck(worker);
        }
        if let Some(stay) = &running.session {
            self.leave(stay, worker, now, out);
        }
        self.workers.free_lane(worker, running.lane, now);
        match self.workers.state(worker) {
            Some(WorkerState::Ready | WorkerState::Due) => self.fill(worker, now, out),
            Some(WorkerState::Draining) => self.stop_if_idle(worker, out),
            Some(WorkerState::Quarantined) => self.kill_if_only_stuck(worker, out),
            Some(WorkerState::Launching | WorkerState::Stopping) | None => {}
        }
        if running.session.is_some() && !self.workers.is_serving(worker) {
            // The session may go on elsewhere now.
            self.queue.unbind(worker);
            self.use_free_lanes(now, out);
        }
        Some(worker)
    }

    pub(super) fn abandoned(&mut self, call: CallId, out: &mut Vec<Action>) {
        if let Some(running) = self
            .running
            .get_mut(&call)
            .filter(|running| matches!(running.hold, Hold::Working | Hold::Slow))
        {
            running.hold = Hold::Abandoned;
            out.push(Action::Cancel {
                call,
                worker: running.worker,
                lane: running.lane,
            });
        }
    }

    /// Gives waiting calls to the free lanes of one worker.
    pub(super) fn fill(&mut self, worker: WorkerId, now: Instant, out: &mut Vec<Action>) {
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
            // What it waited for may be gone. Its session may have been bound to another worker meanwhile.
            let bound = self.bound_to(waiting.session.as_ref(), waiting.only_on, now, out);
            let is_hint = matches!(&waiting.session, Some((_, Affinity::Hint)));
            let home = match bound {
                Ok(home) => home.filter(|_| !is_hint).unwrap_or(worker),
                Err(why) => {
                    out.push(Action::Reject { call, why });
                    continue;
                }
            };
            if self.workers.is_open(home) {
                self.grant(call, waiting.session, home, now, out);
            } else if let Some((_, Affinity::StrictFailFast)) = waiting.session {
                let why = Refusal::SessionBusy;
                out.push(Action::Reject { call, why });
            } else {
                self.queue.push(call, waiting, Some(home));
            }
        }
    }

    /// A call that waited in vain is told of the launches that fail, if that is why.
    pub(super) fn timeout_refusal(&self) -> Refusal {
        if self.workers.serving() == 0 && self.launch_failures() > 0 {
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
