//! Restores the rules of a pool after anything that changed which workers there are: no call waits while a lane is free,
//! there are as many workers as wanted, and a worker that is due leaves when there is another in its place.

use std::time::Instant;

use super::{Action, Phase, Refusal, Scheduler};
use crate::event::RetireReason;
use crate::ids::WorkerId;

impl Scheduler {
    pub(super) fn settle(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.phase == Phase::Closed {
            return;
        }
        if self.breaker.tick(self.wants_launch(), now) {
            out.push(Action::Breaker(self.breaker.state()));
        }
        self.end_quarantines(now, out);
        // Before anyone looks at lanes and at what waits: calls that waited for a worker that leaves may go elsewhere.
        let hand_over = self.hand_over(now, out);
        self.use_free_lanes(now, out);
        self.grow(now, out);
        self.launch(now, out);
        if let Some(why) = self.hopeless() {
            let calls = self.queue.clear();
            out.extend(calls.into_iter().map(|call| Action::Reject { call, why }));
        }
        self.wake = self.next_wake(hand_over);
    }

    /// Calls given back by a worker that is gone or leaves may fit on lanes that were free all along.
    pub(super) fn use_free_lanes(&mut self, now: Instant, out: &mut Vec<Action>) {
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
    }

    /// Whether a call that waits too long makes the pool grow: all workers wanted are there to stay, more are allowed,
    /// and launching is not held back.
    pub(super) fn may_grow(&self) -> bool {
        self.scale.may_grow()
            && self.phase == Phase::Open
            && self.workers.staying() >= self.target()
            && self.breaker.may_launch()
            && !self.backoff.gave_up()
    }

    /// Grows the pool if a call has waited too long, and says when to look again.
    fn grow(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.scale_at = None;
        if !self.may_grow() {
            return;
        }
        let Some(since) = self.queue.waiting_since() else {
            return;
        };
        let due = since + self.scale.patience();
        if due > now {
            self.scale_at = Some(due);
            return;
        }
        let from = self.target();
        let (waiting, lanes) = (self.queue.unbound(), self.workers.lanes_each());
        self.scale.grow(waiting, lanes, now);
        let to = self.target();
        out.push(Action::Resized { from, to });
    }

    /// Takes workers beyond the target out of service: those that are due first, since that is what the others came for.
    /// One that sessions insist on goes on serving them for a while. Returns when to look again.
    fn hand_over(&mut self, now: Instant, out: &mut Vec<Action>) -> Option<Instant> {
        let mut surplus = self.workers.serving().saturating_sub(self.target());
        if surplus == 0 {
            return None;
        }
        let due: Vec<_> = self.workers.due().collect();
        let (wanted, free): (Vec<_>, Vec<_>) = due
            .into_iter()
            .partition(|worker| self.insisted_until(*worker).is_some_and(|at| at > now));
        for worker in free.into_iter().take(surplus) {
            self.drain_due(worker, out);
            surplus -= 1;
        }
        let mut next: Option<Instant> = None;
        for worker in wanted.into_iter().take(surplus) {
            let last = self.workers.replaced_at(worker, now) + self.settings.session_drain;
            let until = self
                .insisted_until(worker)
                .map_or(last, |idle| idle.min(last));
            if until <= now {
                self.drain_due(worker, out);
            } else {
                next = next.into_iter().chain([until]).min();
            }
            surplus -= 1;
        }
        for _ in 0..surplus {
            let Some(worker) = self.workers.least_busy() else {
                break;
            };
            self.drain(worker, RetireReason::Resize, out);
        }
        next
    }

    fn drain_due(&mut self, worker: WorkerId, out: &mut Vec<Action>) {
        let reason = self.workers.reason(worker);
        self.drain(worker, reason.unwrap_or(RetireReason::Resize), out);
    }

    /// Until when a session that insists on this worker may come back to it.
    fn insisted_until(&self, worker: WorkerId) -> Option<Instant> {
        let patience = self.settings.session_drain.min(self.sessions.ttl());
        Some(self.insisted_at(worker)? + patience)
    }

    /// Starts the workers that are missing, and breaks off launches nobody needs any more.
    fn launch(&mut self, now: Instant, out: &mut Vec<Action>) {
        while self.workers.launching() + self.workers.serving() > self.wanted() {
            let Some(worker) = self.workers.youngest_launching() else {
                break;
            };
            self.break_off(worker, RetireReason::Resize, now, out);
        }
        while self.wants_launch() && self.backoff.may_launch(now) && self.breaker.may_launch() {
            let worker = WorkerId::new(self.next_worker);
            self.next_worker += 1;
            self.workers.add_launching(worker);
            self.breaker.launching(worker);
            out.push(Action::Launch(worker));
        }
    }

    /// Workers wanted now: the target, and one more for each worker being replaced, a few at a time. Those that have their
    /// replacement and only serve their sessions out are beyond the target in any case.
    fn wanted(&self) -> usize {
        let target = self.target();
        let at_once = self.settings.max_concurrent_recycles.unwrap_or(target / 4);
        let leaving = self.workers.serving() - self.workers.staying();
        target + self.workers.due().len().min(at_once.max(1)).max(leaving)
    }

    fn wants_launch(&self) -> bool {
        self.phase != Phase::Closed
            && !self.backoff.gave_up()
            && self.workers.launching() + self.workers.serving() < self.wanted()
    }

    /// Why there is no point in waiting: nothing serves, and nothing is being started.
    pub(super) fn hopeless(&self) -> Option<Refusal> {
        if self.workers.serving() > 0 || self.workers.launching() > 0 {
            None
        } else if self.backoff.gave_up() {
            Some(Refusal::Unavailable)
        } else if self.breaker.is_open() {
            Some(Refusal::BreakerOpen)
        } else {
            None
        }
    }

    /// When to look again at what this file decides.
    fn next_wake(&self, hand_over: Option<Instant>) -> Option<Instant> {
        let launch = if self.wants_launch() && self.breaker.may_launch() {
            self.backoff.not_before()
        } else {
            None
        };
        let quarantine = self.workers.first_quarantined().map(|(at, _)| at);
        [launch, self.breaker.wake_at(), hand_over, quarantine]
            .into_iter()
            .flatten()
            .min()
    }

    /// Deaths within `restart_window` that are too many.
    pub(super) fn restart_budget(&self) -> u32 {
        let for_each = u32::try_from(self.target()).unwrap_or(u32::MAX);
        self.settings
            .restart_budget
            .unwrap_or_else(|| for_each.saturating_mul(3).saturating_add(20))
    }
}
