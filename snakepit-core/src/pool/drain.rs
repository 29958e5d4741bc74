//! The end of a pool: no more calls, time for those there are, then force. Knows no scheduler beyond its inputs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::control::{Control, Stop};
use super::settings::FAR;
use super::shared::{Phase, Shared, State};
use crate::sched::Input;

/// What [`Pool::drain`](crate::Pool::drain) and [`Pool::shutdown`](crate::Pool::shutdown) did to the calls there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Calls that came to their own end.
    pub finished: usize,
    /// Calls that were running when the grace was over, and were interrupted.
    pub interrupted: usize,
    /// Calls, interrupted or not, that did not let go and were ended together with their worker.
    pub killed: usize,
    /// Calls that were waiting when the grace was over, and never ran.
    pub rejected: usize,
}

/// For an interrupted call whose grace is over to be told from one that let go.
const SLACK: Duration = Duration::from_millis(100);

/// What was done to calls by force, in all, and the graces that are running.
#[derive(Debug, Default)]
pub(super) struct Tolls {
    interrupted: usize,
    killed: usize,
    rejected: usize,
    /// Callers whose call was ended by force.
    forced: usize,
    /// Abandoned calls that would not let go.
    pub(super) stuck: usize,
    /// When the calls that are left will be interrupted: the first of these.
    graces: BTreeSet<(Instant, u64)>,
    next_grace: u64,
}

/// One grace that is running; it counts until it is dropped.
struct Grace<'a> {
    shared: &'a Shared,
    entry: (Instant, u64),
}

impl Drop for Grace<'_> {
    fn drop(&mut self) {
        self.shared.state.lock().tolls.graces.remove(&self.entry);
    }
}

impl Shared {
    pub(super) async fn drain(self: &Arc<Self>, grace: Duration) -> DrainReport {
        let before = self.census_with(Input::Drain);
        let done = |state: &State| state.sched.is_idle() || state.phase == Phase::Closed;
        let entry = {
            let tolls = &mut self.state.lock().tolls;
            let entry = (Instant::now() + grace.min(FAR), tolls.next_grace);
            tolls.next_grace += 1;
            tolls.graces.insert(entry);
            entry
        };
        let running = Grace {
            shared: self,
            entry,
        };
        // Another drain that waits may have to be cut short.
        self.changed.send_replace(());
        let mut changes = self.changed.subscribe();
        while !done(&self.state.lock()) {
            let end = self.state.lock().tolls.graces.first().map(|(at, _)| *at);
            let end = end.unwrap_or(entry.0);
            let change = timeout_at(end.into(), changes.changed()).await;
            if change.is_err() && end <= Instant::now() {
                break;
            }
        }
        let stuck = self.state.lock().tolls.stuck;
        if self.stop_calls() {
            let last = Instant::now() + self.settings.cancel_grace().total() + SLACK;
            let _ = timeout_at(last.into(), self.until(done)).await;
        }
        drop(running);
        let stuck = self.state.lock().tolls.stuck - stuck;
        let report = self.close(before).await;
        DrainReport {
            killed: report.killed.max(stuck),
            ..report
        }
    }

    pub(super) async fn shutdown(self: &Arc<Self>) -> DrainReport {
        let before = self.state.lock().census();
        self.close(before).await
    }

    /// Counts, and takes a step under the same lock.
    fn census_with(self: &Arc<Self>, input: Input) -> Census {
        let mut census = Census::default();
        self.step_with(input, |state| {
            census = state.census();
            None
        });
        census
    }

    /// Stops every call that is left. Whether there were any.
    fn stop_calls(self: &Arc<Self>) -> bool {
        let left: Vec<_> = {
            let state = self.state.lock();
            if state.phase == Phase::Closed {
                // Someone else has ended what was left, and said so.
                return false;
            }
            let calls = state.calls.iter();
            calls
                .map(|(call, control)| {
                    let waits = state.waiters.contains_key(call).then_some(*call);
                    (waits, Arc::clone(control))
                })
                .collect()
        };
        // Without the lock: stopping a call wakes its task.
        let (mut waiting, mut running) = (0, 0);
        for (waits, control) in &left {
            if control.stop(Stop::Drain) && !control.is_errand() {
                *(if waits.is_some() {
                    &mut waiting
                } else {
                    &mut running
                }) += 1;
            }
        }
        // A caller may be slow to find out; its call is not to get a lane meanwhile.
        for call in left.iter().filter_map(|(waits, _)| *waits) {
            self.withdraw(call, None);
        }
        let mut state = self.state.lock();
        state.tolls.rejected += waiting;
        state.tolls.interrupted += running;
        state.tolls.forced += waiting + running;
        !state.sched.is_idle()
    }

    async fn close(self: &Arc<Self>, before: Census) -> DrainReport {
        self.step_with(Input::Close, |state| {
            if state.phase != Phase::Closed {
                let waiting = state.waiting();
                state.tolls.forced += state.going();
                state.tolls.rejected += waiting;
                state.tolls.killed += state.sched.running() - state.running_errands();
            }
            None
        });
        self.until(|state| state.tasks.is_empty()).await;
        let after = self.state.lock().census();
        DrainReport {
            finished: before.calls.saturating_sub(after.forced - before.forced),
            interrupted: after.interrupted - before.interrupted,
            killed: after.killed - before.killed,
            rejected: after.rejected - before.rejected,
        }
    }
}

/// The numbers a [`DrainReport`] is the difference of.
#[derive(Clone, Copy, Default)]
struct Census {
    calls: usize,
    forced: usize,
    interrupted: usize,
    killed: usize,
    rejected: usize,
}

fn is_going(control: &Control) -> bool {
    control.stopped().is_none() && !control.is_errand()
}

impl State {
    /// Calls of callers that wait or run, and that nobody stopped.
    fn going(&self) -> usize {
        let calls = self.calls.values();
        calls.filter(|control| is_going(control)).count()
    }

    /// Calls of the pool's own that hold a lane.
    fn running_errands(&self) -> usize {
        let calls = self.calls.iter();
        let errands = calls.filter(|(_, control)| control.is_errand());
        let running = errands.filter(|(call, _)| self.sched.is_running(**call));
        running.count()
    }

    /// Calls of callers that wait, and that nobody stopped.
    fn waiting(&self) -> usize {
        let controls = self.waiters.keys().filter_map(|call| self.calls.get(call));
        controls.filter(|control| is_going(control)).count()
    }

    fn census(&self) -> Census {
        let tolls = &self.tolls;
        Census {
            calls: self.going(),
            forced: tolls.forced,
            interrupted: tolls.interrupted,
            killed: tolls.killed,
            rejected: tolls.rejected,
        }
    }
}
