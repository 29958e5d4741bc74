//! A lane in a caller's hands. Whatever happens to the caller, the lane finds its way back.

use std::sync::{Arc, Weak};
use std::time::Instant;

use super::member::Member;
use super::shared::Shared;
use crate::error::{CallError, ExitReport, LostCall};
use crate::event::{EventKind, Outcome, RetireReason};
use crate::ids::{CallId, LaneId, SessionId};
use crate::sched::{Input, Visit};
use crate::session::{Origin, SessionCall};
use crate::value::{ObjectRef, Value};
use crate::worker::{Call, Reply};

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
    member: Arc<Member>,
    lane: LaneId,
    call: CallId,
    visit: Option<Visit>,
    /// The number of the call's session.
    session: Option<u64>,
    stage: Stage,
    /// Set only when someone listens to events.
    since: Option<Instant>,
}

impl Lease {
    pub(super) fn new(
        shared: Arc<Shared>,
        member: Arc<Member>,
        lane: LaneId,
        call: CallId,
        visit: Option<Visit>,
    ) -> Self {
        Self {
            shared,
            member,
            lane,
            call,
            visit,
            session: None,
            stage: Stage::Idle,
            since: None,
        }
    }

    /// What the call is to carry for the session it belongs to.
    pub(super) fn session_call(&mut self) -> Option<SessionCall> {
        let Visit {
            number,
            left,
            since,
        } = self.visit.take()?;
        self.session = Some(number);
        let origin = Origin {
            worker: self.member.id,
            since,
        };
        // Who reads the lane may do so for longer than there is a pool.
        let pool: Weak<Shared> = Arc::downgrade(&self.shared);
        Some(
            SessionCall::new(number)
                .with_left(left)
                .kept_by(pool, origin),
        )
    }

    /// Whether the call was handed to the worker.
    pub(super) fn is_used(&self) -> bool {
        self.stage != Stage::Idle
    }

    /// Runs the call. A stream goes on holding the lease; anything else ends it.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the lease in flight; dropping the lease then abandons the call.
    pub(super) async fn run(
        &mut self,
        call: Call,
        session: Option<&SessionId>,
        queued_at: Instant,
    ) -> Result<Reply, CallError> {
        self.stage = Stage::InFlight;
        if self.shared.has_sinks() {
            let now = Instant::now();
            self.since = Some(now);
            let (call, worker, queued) = (self.call, self.member.id, now - queued_at);
            self.shared.emit(EventKind::CallStarted {
                call,
                worker,
                queued,
            });
        }
        match self.member.worker.call(self.lane, call).await {
            Ok(Reply::Stream(stream)) => Ok(Reply::Stream(stream)),
            Ok(Reply::One(mut value)) => {
                self.adopt(&mut value, session);
                self.finish();
                Ok(Reply::One(value))
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Takes over the handles in an answer, for the session of the call.
    pub(super) fn adopt(&self, value: &mut Value, session: Option<&SessionId>) {
        if let Some(session) = session.zip(self.session) {
            let (shared, worker) = (&self.shared, self.member.id);
            ObjectRef::replace_in(value, &mut |found| shared.adopt(session, worker, found));
        }
    }

    /// Gives up a call that is running: its worker is told, and the lane comes back when it let go.
    pub(super) fn abandon(&mut self) {
        if self.stage == Stage::InFlight {
            self.give_back(Input::Abandoned(self.call), Outcome::Abandoned);
        }
    }

    /// The call is over, and its lane free.
    pub(super) fn finish(&mut self) {
        if self.stage == Stage::Returned {
            return;
        }
        let asked = self.member.tally.count();
        self.give_back(Input::Finished(self.call), Outcome::Answered);
        if asked {
            self.shared.assess(self.member.id);
        }
    }

    /// The call is over with an error. Returns what the caller is to know of it.
    pub(super) fn fail(&mut self, error: CallError) -> CallError {
        if self.stage == Stage::Returned {
            return error;
        }
        match error {
            CallError::WorkerLost(report) => {
                let report = self.report(&report);
                // Before the lane is given back: nobody else may be sent to the dead, and the replacement starts now.
                self.shared
                    .step_with(Input::Exited(self.member.id), |state| {
                        state.lose(self.member.id, &report);
                        None
                    });
                self.give_back(Input::Returned(self.call), Outcome::WorkerLost);
                CallError::WorkerLost(report)
            }
            CallError::Protocol { .. } => {
                let condemn = Input::Condemn(self.member.id, RetireReason::Protocol);
                self.shared.step(condemn);
                self.give_back(Input::Returned(self.call), Outcome::Answered);
                error
            }
            error => {
                self.finish();
                error
            }
        }
    }

    /// The report of the worker's end, as it concerns this call.
    fn report(&self, report: &ExitReport) -> Arc<ExitReport> {
        let mut report = report.clone();
        self.member.complete(&mut report);
        let control = self.shared.state.lock().calls.get(&self.call).cloned();
        report.call = control.map(|control| LostCall::new(self.call, Arc::clone(&control.command)));
        Arc::new(report)
    }

    fn give_back(&mut self, input: Input, outcome: Outcome) {
        self.stage = Stage::Returned;
        let event = self.since.map(|since| EventKind::CallFinished {
            call: self.call,
            worker: self.member.id,
            ran: since.elapsed(),
            outcome,
        });
        let call = self.call;
        self.shared.step_with(input, |state| {
            state.calls.remove(&call);
            event
        });
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.stage {
            Stage::Idle => self.give_back(Input::Returned(self.call), Outcome::Abandoned),
            Stage::InFlight => self.abandon(),
            Stage::Returned => {}
        }
    }
}
