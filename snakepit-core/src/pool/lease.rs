//! A lane in a caller's hands. Whatever happens to the caller, the lane finds its way back.

use std::sync::Arc;
use std::time::Instant;

use super::shared::Shared;
use crate::error::CallError;
use crate::event::{EventKind, Outcome, RetireReason};
use crate::ids::{CallId, LaneId, WorkerId};
use crate::sched::Input;
use crate::worker::{Call, Reply, Worker};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Granted, nothing sent.
    Idle,
    /// Handed to the worker, no final answer yet.
    InFlight,
    /// Given back.
    Returned,
}

/// The right to run one call on one lane. Dropping it in flight abandons the call: the lane comes back only when the
/// worker let go of it.
pub(super) struct Lease {
    shared: Arc<Shared>,
    worker: Arc<dyn Worker>,
    id: WorkerId,
    lane: LaneId,
    call: CallId,
    stage: Stage,
    /// Set only when someone listens to events.
    since: Option<Instant>,
}

impl Lease {
    pub(super) fn new(
        shared: Arc<Shared>,
        worker: Arc<dyn Worker>,
        id: WorkerId,
        lane: LaneId,
        call: CallId,
    ) -> Self {
        Self {
            shared,
            worker,
            id,
            lane,
            call,
            stage: Stage::Idle,
            since: None,
        }
    }

    /// Runs the call. A stream goes on holding the lease; anything else ends it.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the lease in flight; dropping the lease then abandons the call.
    pub(super) async fn run(&mut self, call: Call, queued_at: Instant) -> Result<Reply, CallError> {
        self.stage = Stage::InFlight;
        if self.shared.has_sinks() {
            let now = Instant::now();
            self.since = Some(now);
            let (call, worker, queued) = (self.call, self.id, now - queued_at);
            self.shared.emit(EventKind::CallStarted {
                call,
                worker,
                queued,
            });
        }
        let reply = self.worker.call(self.lane, call).await;
        match &reply {
            Ok(Reply::Stream(_)) => {}
            Ok(Reply::One(_)) => self.finish(Ok(())),
            Err(error) => self.finish(Err(error)),
        }
        reply
    }

    /// The final answer came.
    pub(super) fn finish(&mut self, result: Result<(), &CallError>) {
        if std::mem::replace(&mut self.stage, Stage::Returned) == Stage::Returned {
            return;
        }
        let outcome = match result {
            Err(CallError::WorkerLost(_)) => Outcome::WorkerLost,
            _ => Outcome::Answered,
        };
        match result {
            Err(CallError::Protocol { .. }) => {
                self.shared
                    .step(Input::Condemn(self.id, RetireReason::Protocol));
            }
            // Before the lane is given back: nobody else may be sent to the dead, and the replacement starts now.
            Err(CallError::WorkerLost(_)) => self.shared.step(Input::Exited(self.id)),
            _ => {}
        }
        self.give_back(Input::Finished(self.call), outcome);
        self.shared.assess(self.id);
    }

    fn give_back(&self, input: Input, outcome: Outcome) {
        let event = self.since.map(|since| EventKind::CallFinished {
            call: self.call,
            worker: self.id,
            ran: since.elapsed(),
            outcome,
        });
        self.shared.step_with(input, |_| event);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.stage {
            Stage::Idle => self.give_back(Input::Finished(self.call), Outcome::Abandoned),
            Stage::InFlight => self.give_back(Input::Abandoned(self.call), Outcome::Abandoned),
            Stage::Returned => {}
        }
    }
}
