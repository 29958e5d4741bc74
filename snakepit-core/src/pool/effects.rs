//! What a step of the pool does once its lock is released. Decides nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::farewells;
use super::member::Member;
use super::shared::{Answer, Shared};
use crate::event::{Event, EventKind, RetireReason};
use crate::ids::{CallId, LaneId, WorkerId};
use crate::sched::Input;
use crate::worker::Quiesced;

/// How long a worker may take to say where a slow call is. What takes longer says enough by that.
const STACK_PATIENCE: Duration = Duration::from_secs(5);

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
    Launch(WorkerId),
    Stop(Arc<Member>),
    /// Tells a worker of sessions that ended.
    Farewell(WorkerId),
    Kill(Arc<Member>, RetireReason),
    /// Ends a launch. `None` if its task is not spawned yet: it will find out by itself.
    BreakOff(Option<AbortHandle>),
    /// Finds out where a call is, and tells.
    Locate {
        member: Arc<Member>,
        lane: LaneId,
        call: CallId,
        command: Arc<str>,
        running: Duration,
    },
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
                Effect::Launch(worker) => self.spawn_worker(worker),
                Effect::Stop(member) => {
                    let grace = self.settings.stop_grace;
                    self.runtime
                        .spawn(async move { member.worker.stop(grace).await });
                }
                Effect::Farewell(worker) => {
                    self.runtime
                        .spawn(farewells::tell(Arc::downgrade(self), worker));
                }
                Effect::Kill(member, reason) => member.worker.abort(reason.describe()),
                Effect::BreakOff(Some(task)) => task.abort(),
                Effect::BreakOff(None) => {}
                Effect::Locate {
                    member,
                    lane,
                    call,
                    command,
                    running,
                } => {
                    let shared = Arc::downgrade(self);
                    self.runtime.spawn(async move {
                        let stack = member.worker.stack(lane, call);
                        let stack = tokio::time::timeout(STACK_PATIENCE, stack).await;
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
                Effect::Emit(event) => self.record(&event),
            }
        }
    }

    /// Sees an abandoned call to its end.
    fn interrupt(self: &Arc<Self>, member: Arc<Member>, lane: LaneId, call: CallId) {
        let shared = Arc::downgrade(self);
        let grace = self.settings.cancel_grace();
        self.runtime.spawn(async move {
            let how = member.worker.cancel(lane, call, grace).await;
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
            let _ = catch_unwind(AssertUnwindSafe(|| sink.record(event)));
        }
    }
}
