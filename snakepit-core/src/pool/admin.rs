//! What the owner of a pool asks of it: to be ready, to be of another size, to have other workers, to say how it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::health::Vitals;
use super::shared::{Phase, Shared, State};
use super::{BreakerState, Health, RecycleError, ReloadReport, ResizeError};
use crate::command::Command;
use crate::error::{CallError, LaunchError, Rejection, Stage};
use crate::event::RetireReason;
use crate::ids::{SessionId, WorkerId};
use crate::limits::Ceiling;
use crate::sched::{Input, Refusal};

/// The most workers a pool may have. More processes than that are a slip of the finger.
const MOST_WORKERS: usize = 10_000;

/// Rounds of launches that fail in a row before whoever waits for workers is told.
const PATIENCE: u32 = 3;

/// Whether a pool may have so few and so many workers. `ceiling` is the profile's, and asked last.
pub(super) fn check_size(
    min: usize,
    max: usize,
    ceiling: impl FnOnce() -> Option<Ceiling>,
) -> Result<(), ResizeError> {
    if min == 0 {
        return Err(ResizeError::Zero);
    }
    if min > max {
        return Err(ResizeError::Reversed { min, max });
    }
    let (most, why) = match ceiling() {
        Some(ceiling) if ceiling.workers < MOST_WORKERS => (ceiling.workers, ceiling.why),
        _ => (MOST_WORKERS, "that is the most a pool may have".to_owned()),
    };
    if max > most {
        let asked = max;
        return Err(ResizeError::TooMany { asked, most, why });
    }
    Ok(())
}

impl Shared {
    pub(super) async fn ready(&self) -> Result<(), Arc<LaunchError>> {
        let mut changes = self.changed.subscribe();
        loop {
            {
                let state = self.state.lock();
                let sched = &state.sched;
                let stuck =
                    sched.gave_up() || (sched.launch_failures() >= PATIENCE && sched.ready() == 0);
                if let (true, Some(error)) = (stuck, &state.last_failure) {
                    return Err(Arc::clone(error));
                }
                if sched.ready() >= sched.target() {
                    return Ok(());
                }
            }
            if changes.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    pub(super) fn resize(self: &Arc<Self>, min: usize, max: usize) -> Result<(), ResizeError> {
        check_size(min, max, || self.profile.ceiling())?;
        let mut result = Ok(());
        self.step_by(|state| {
            if state.phase == Phase::Open {
                (Some(Input::Resize { min, max }), None)
            } else {
                result = Err(ResizeError::Closed);
                (None, None)
            }
        });
        result
    }

    pub(super) fn recycle(self: &Arc<Self>, worker: WorkerId) -> Result<(), RecycleError> {
        let mut result = Ok(());
        self.step_by(|state| {
            result = match state.sched.worker(worker) {
                _ if state.phase != Phase::Open => Err(RecycleError::Closed),
                None => Err(RecycleError::UnknownWorker { worker }),
                Some(status) if !status.state.is_serving() => {
                    let state = status.state.name();
                    Err(RecycleError::NotServing { worker, state })
                }
                Some(_) => Ok(()),
            };
            let retire = Input::Retire(worker, RetireReason::Recycle);
            (result.is_ok().then_some(retire), None)
        });
        result
    }

    pub(super) async fn reload(self: &Arc<Self>) -> Result<ReloadReport, Arc<LaunchError>> {
        let (mut old, mut replaced, mut failures) = (Vec::new(), 0, 0);
        if self.state.lock().phase != Phase::Open {
            return Ok(ReloadReport { replaced });
        }
        self.profile.renew();
        self.step_by(|state| {
            // It may have been drained meanwhile; then nothing is replaced, and there is nothing to wait for.
            if state.phase != Phase::Open {
                return (None, None);
            }
            old.extend(state.tasks.keys().copied());
            replaced = state.members.len();
            failures = state.failures;
            (Some(Input::Reload), None)
        });
        let mut changes = self.changed.subscribe();
        loop {
            {
                let state = self.state.lock();
                if !old.iter().any(|worker| state.tasks.contains_key(worker)) {
                    return Ok(ReloadReport { replaced });
                }
                let failed = state.failures > failures
                    && (state.sched.gave_up() || state.failing.total() >= PATIENCE);
                if let (true, Some(error)) = (failed, &state.last_failure) {
                    return Err(Arc::clone(error));
                }
            }
            if changes.changed().await.is_err() {
                return Ok(ReloadReport { replaced });
            }
        }
    }

    pub(super) fn health(&self) -> Health {
        let state = self.state.lock();
        let vitals = state.vitals();
        let answering = state.sched.workers().filter(|status| {
            let record = state.members.get(&status.worker).map(|(_, record)| record);
            status.state.is_serving() && record.is_some_and(|record| !record.silent)
        });
        Health {
            status: vitals.status(),
            reasons: state.reasons(&vitals),
            lanes: answering.map(|status| status.lanes).sum(),
            workers: vitals.ready,
            wanted: vitals.wanted,
        }
    }

    pub(super) fn commands(&self) -> Arc<[Command]> {
        let state = self.state.lock();
        let youngest = state.members.iter().max_by_key(|(worker, _)| **worker);
        youngest
            .map(|(_, (member, _))| Arc::clone(&member.hello.commands))
            .unwrap_or_default()
    }

    /// The error a refused caller gets.
    pub(super) fn refused(
        &self,
        command: &str,
        why: Refusal,
        session: Option<&SessionId>,
    ) -> CallError {
        let state = self.state.lock();
        let timed_out = || CallError::TimedOut {
            command: command.to_owned(),
            stage: Stage::Queue,
            after: self.settings.queue_timeout,
        };
        let reason = match why {
            Refusal::QueueTimeout => return timed_out(),
            Refusal::QueueFull => Rejection::QueueFull {
                limit: self.settings.queue_size,
            },
            Refusal::SessionBusy => match session {
                Some(session) => Rejection::SessionBusy {
                    session: session.clone(),
                },
                None => Rejection::Closed,
            },
            Refusal::SessionLost(worker) => match session {
                Some(session) => Rejection::SessionLost {
                    session: session.clone(),
                    worker,
                    why: state
                        .departed
                        .why(worker)
                        .unwrap_or("it is gone")
                        .to_owned(),
                },
                None => Rejection::Closed,
            },
            Refusal::TooManySessions(live) => Rejection::TooManySessions {
                live,
                limit: self.settings.max_sessions,
            },
            Refusal::Draining => Rejection::Draining,
            // Only calls of the pool's own are for one worker.
            Refusal::Closed | Refusal::WorkerGone => Rejection::Closed,
            Refusal::BreakerOpen => self.broken(&state),
            Refusal::Unavailable => match &state.last_failure {
                Some(cause) if state.failing.total() > 0 || state.sched.gave_up() => {
                    Rejection::Unavailable {
                        cause: Arc::clone(cause),
                    }
                }
                // Workers died before they were of use, or launches work again meanwhile: waiting longer may help.
                _ => return timed_out(),
            },
        };
        CallError::Rejected {
            pool: self.name.clone(),
            reason,
        }
    }

    /// Why a pool with an open breaker and no workers takes no calls.
    fn broken(&self, state: &State) -> Rejection {
        // The break may be over since the call was refused: no pause is left then.
        let pause = match state.sched.breaker() {
            BreakerState::Open { pause } => pause,
            BreakerState::HalfOpen | BreakerState::Closed => Duration::ZERO,
        };
        Rejection::BreakerOpen {
            deaths: state.sched.breaker_deaths(),
            window: self.settings.restart_window,
            pause,
            last: state.last_exit.clone(),
        }
    }
}

impl State {
    pub(super) fn vitals(&self) -> Vitals {
        Vitals {
            phase: self.phase,
            wanted: self.sched.target(),
            ready: self.sched.ready(),
            silent: self.silent,
            // What failed to start for a pool that was larger then, or is whole again, is no concern of its health now.
            failing: if self.sched.is_incomplete() {
                self.failing.total()
            } else {
                0
            },
            gave_up: self.sched.gave_up(),
            breaker: self.sched.breaker(),
            stopped: self.stopped.len(),
        }
    }

    /// Why the pool is not ready.
    pub(super) fn reasons(&self, vitals: &Vitals) -> Vec<String> {
        let mut reasons = vitals.reasons(self.last_failure.as_deref());
        if vitals.phase != Phase::Closed {
            let now = Instant::now();
            reasons.extend(self.silent().map(|(member, record)| {
                let silence = now.saturating_duration_since(record.heard_at).as_secs();
                format!("worker {} has given no sign for {silence} s", member.id)
            }));
            reasons.extend(self.stopped.iter().cloned());
        }
        reasons
    }
}
