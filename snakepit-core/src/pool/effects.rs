//! What a step of the pool does once its lock is released. Decides nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::farewells;
use super::foreign::{abort, answer, caught};
use super::member::Member;
use super::session_tools::Released;
use super::shared::{Answer, CallOff, CalledOff, Shared};
use crate::event::{Event, EventKind, RetireReason};
use crate::ids::{CallId, LaneId, WorkerId};
use crate::sched::Input;
use crate::worker::Quiesced;

/// How long a worker may take to say where a slow call is. What takes longer says enough by that.
const STACK_PATIENCE: Duration = Duration::from_secs(5);

/// How late a worker that keeps to its grace may be, on a busy machine. Beyond that it does not keep to it.
const SLACK: Duration = Duration::from_secs(1);

/// Something to do once the lock is released, with all it needs looked up under the lock.
pub(super) enum Effect {
    Answer(oneshot::Sender<Answer>, Answer),
    /// For the caller that is asking right now, or for one that is gone. Dropping a lease returns its lane.
    Unclaimed(CallId, Answer),
    Cancel {
        member: Arc<Member>,
        lane: LaneId,
        call: CallId,
    },
    Launch(WorkerId, CalledOff),
    Stop(Arc<Member>),
    /// Tells a worker of sessions that ended.
    Farewell(WorkerId),
    Kill(Arc<Member>, RetireReason),
    /// Ends a launch.
    BreakOff(CallOff, RetireReason),
    /// Finds out where a call is, and tells.
    Locate {
        member: Arc<Member>,
        lane: LaneId,
        call: CallId,
        command: Arc<str>,
        running: Duration,
    },
    /// Drops what belonged to a session that ended.
    Release(Released),
    Emit(Event),
}

impl Shared {
    /// Does what was prepared, in order.
    pub(super) fn perform(self: &Arc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                // A receiver dropped meanwhile hands the lease back to us, whose `Drop` returns the lane.
                Effect::Answer(waiter, answer) => drop(waiter.send(answer)),
                Effect::Unclaimed(_, answer) => drop(answer),
                Effect::Cancel { member, lane, call } => self.interrupt(member, lane, call),
                Effect::Launch(worker, called_off) => self.spawn_worker(worker, called_off),
                Effect::Stop(member) => self.stop(member),
                Effect::Farewell(worker) => {
                    self.runtime
                        .spawn(farewells::tell(Arc::downgrade(self), worker));
                }
                Effect::Kill(member, reason) => abort(&*member.worker, reason.describe()),
                Effect::BreakOff(launch, reason) => drop(launch.send(reason)),
                Effect::Locate {
                    member,
                    lane,
                    call,
                    command,
                    running,
                } => {
                    let shared = Arc::downgrade(self);
                    self.runtime.spawn(async move {
                        let stack = async { member.worker.stack(lane, call).await };
                        let stack = answer(STACK_PATIENCE, stack).await;
                        if let Some(shared) = shared.upgrade() {
                            shared.emit(EventKind::CallSlow {
                                call,
                                command,
                                worker: member.id,
                                running,
                                stack: stack.unwrap_or_default(),
                            });
                        }
                    });
                }
                Effect::Release(released) => drop(caught(|| drop(released))),
                Effect::Emit(event) => self.record(&event),
            }
        }
    }

    /// Ends a worker, by force if it does not end in time.
    fn stop(&self, member: Arc<Member>) {
        let grace = self.settings.stop_grace;
        self.runtime.spawn(async move {
            let stop = async { member.worker.stop(grace).await };
            if answer(grace.saturating_add(SLACK), stop).await.is_none() {
                abort(&*member.worker, "it did not end when it was asked to");
            }
        });
    }

    /// Sees an abandoned call to its end. A lane nobody can tell of is stuck.
    fn interrupt(self: &Arc<Self>, member: Arc<Member>, lane: LaneId, call: CallId) {
        let shared = Arc::downgrade(self);
        let grace = self.settings.cancel_grace();
        self.runtime.spawn(async move {
            let cancel = async { member.worker.cancel(lane, call, grace).await };
            let how = answer(grace.total().saturating_add(SLACK), cancel).await;
            let how = how.unwrap_or(Quiesced::Stuck);
            let asked = how == Quiesced::Clean && member.tally.count();
            let Some(shared) = shared.upgrade() else {
                return;
            };
            shared.step_with(Input::Quiesced(call, how), |state| {
                state.tolls.stuck += usize::from(how == Quiesced::Stuck);
                None
            });
            if asked {
                shared.assess(member.id);
            }
        });
    }

    /// Tells every sink. One that panics loses the event, and nothing else: what else there is to do must be done.
    pub(super) fn record(&self, event: &Event) {
        for sink in &self.sinks {
            let _ = caught(|| sink.record(event));
        }
    }
}
