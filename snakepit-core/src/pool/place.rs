//! A call's place in the queue, in the hands of its caller. Knows no lane.

use std::sync::Arc;

use super::shared::Shared;
use crate::event::EventKind;
use crate::ids::CallId;
use crate::sched::Input;

/// A place in the queue; leaving early gives it up.
pub(super) struct Place<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) call: CallId,
    /// The code of the error the caller gets when this is dropped; `None` once it has its answer.
    pub(super) left: Option<&'static str>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(code) = self.left {
            let call = self.call;
            let event = EventKind::CallRejected { call, code };
            self.shared.withdraw(call, Some(event));
        }
    }
}

impl Shared {
    /// Takes a call that waits out of the queue.
    pub(super) fn withdraw(self: &Arc<Self>, call: CallId, event: Option<EventKind>) {
        // Dropped without the lock: dropping a sender wakes whoever waits for it.
        let mut waiter = None;
        self.step_with(Input::Withdrawn(call), |state| {
            waiter = state.waiters.remove(&call);
            // One that has got its lane meanwhile is known until that is given back.
            if waiter.is_some() {
                state.calls.remove(&call);
            }
            event
        });
        drop(waiter);
    }
}
