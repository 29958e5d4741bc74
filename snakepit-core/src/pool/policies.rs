//! The recycle policies of a pool: when they are asked, and what becomes of their verdicts. Knows no policy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::foreign::{answer, caught};
use super::guard::Guard;
use super::member::Member;
use super::settings::FAR;
use super::shared::{Shared, State};
use crate::error::{LaunchError, LaunchErrorKind};
use crate::event::{EventKind, RetireReason};
use crate::ids::WorkerId;
use crate::recycle::{Needs, Recheck, RecyclePolicy, Verdict, WorkerView};
use crate::sched::{Input, WorkerState};
use crate::usage::{Meter, Usage};

/// A policy that wants to be asked at once, having been asked just now, is asked after this long.
const SOON: Duration = Duration::from_millis(100);

/// The most often that a worker is measured, or asked for a sign.
const OFTEN: Duration = Duration::from_millis(1);

/// How long giving memory back may take before the policies are asked again all the same.
const TRIM_PATIENCE: Duration = Duration::from_secs(10);

/// The policies of a pool, and what they need.
pub(super) struct Policies {
    all: Vec<Arc<dyn RecyclePolicy>>,
    /// Whether each is guarded; asked once, since foreign code is not to run under the pool's lock.
    guarded: Vec<bool>,
    /// Whether each was stopped, by its guard or because it panicked; one more for the notices of profiles.
    stopped: Vec<AtomicBool>,
    pub(super) meter: Option<Arc<dyn Meter>>,
    pub(super) needs: Needs,
}

impl Policies {
    pub(super) fn new(
        policies: Vec<Arc<dyn RecyclePolicy>>,
        meter: Option<Arc<dyn Meter>>,
    ) -> Self {
        let needs: Vec<_> = policies.iter().map(|policy| policy.needs()).collect();
        let usage = needs.iter().filter_map(|needs| needs.usage).min();
        let heartbeat = needs.iter().filter_map(|needs| needs.heartbeat).min();
        let possible = |every: Duration| every.clamp(OFTEN, FAR);
        Self {
            needs: Needs {
                usage: usage.filter(|_| meter.is_some()).map(possible),
                heartbeat: heartbeat.map(possible),
            },
            guarded: policies.iter().map(|policy| policy.is_guarded()).collect(),
            stopped: (0..=policies.len())
                .map(|_| AtomicBool::default())
                .collect(),
            all: policies,
            meter,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// A guard for each policy, and one for the notices of profiles.
    pub(super) fn guards(&self) -> Vec<Guard> {
        self.stopped.iter().map(|_| Guard::default()).collect()
    }

    fn active(&self) -> impl Iterator<Item = (usize, &dyn RecyclePolicy)> {
        let numbered = self.all.iter().map(AsRef::as_ref).enumerate();
        numbered.filter(|(by, _)| !self.is_stopped(*by))
    }

    fn is_stopped(&self, by: usize) -> bool {
        self.stopped[by].load(Ordering::Relaxed)
    }

    /// Notices are guarded, too.
    fn is_guarded(&self, by: usize) -> bool {
        self.guarded.get(by).copied().unwrap_or(true)
    }
}

/// The more there is to be done, the more.
fn weight(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Keep => 0,
        Verdict::Trim => 1,
        Verdict::Release(_) => 2,
        Verdict::Retire(_) => 3,
        Verdict::Kill(_) => 4,
    }
}

/// A worker as the policies see it.
struct Subject {
    member: Arc<Member>,
    view: WorkerView,
    /// Whether it serves, and is not due already.
    recyclable: bool,
}

impl Subject {
    /// `None` for a worker that policies have no say about.
    fn find(state: &State, worker: WorkerId) -> Option<Self> {
        let status = state.sched.worker(worker)?;
        let (member, record) = state.members.get(&worker)?;
        if matches!(status.state, WorkerState::Launching | WorkerState::Stopping) {
            return None;
        }
        let spare = state.sched.ready() > state.sched.bounds().0 && state.sched.queued() == 0;
        Some(Self {
            member: Arc::clone(member),
            view: record.view(member, &status, spare),
            recyclable: status.state == WorkerState::Ready,
        })
    }
}

impl Shared {
    /// Judges a worker that has just become ready by what it uses.
    pub(super) fn judge_boot(self: &Arc<Self>, boot: &Usage) -> Result<(), LaunchError> {
        let refused = |_, policy: &dyn RecyclePolicy| {
            let message = policy.admit(boot).err()?;
            let policy = policy.name().to_owned().into();
            let error = LaunchError::new(LaunchErrorKind::Refused { policy, message });
            Some(error.with_hint("raise the limit, or load less before the first call"))
        };
        self.ask(refused).flatten().next().map_or(Ok(()), Err)
    }

    /// What each policy says. One that panics is asked no more.
    fn ask<T>(
        self: &Arc<Self>,
        question: impl Fn(usize, &dyn RecyclePolicy) -> T,
    ) -> impl Iterator<Item = T> {
        self.policies.active().filter_map(move |(by, policy)| {
            caught(|| question(by, policy))
                .map_err(|words| self.stop_panicked(by, &words))
                .ok()
        })
    }

    /// Stops a policy that panicked, and tells.
    fn stop_panicked(self: &Arc<Self>, by: usize, words: &str) {
        let policy = &self.policies.all[by];
        let name = caught(|| policy.name().to_owned());
        let name = name.unwrap_or_else(|_| "unknown".to_owned());
        let why = format!("it panicked: {words}");
        self.step_by(|state| (None, self.stop_policy(state, by, &name, why)));
    }

    /// Asks a policy no more. What to tell, unless that was done.
    fn stop_policy(
        &self,
        state: &mut State,
        by: usize,
        name: &str,
        why: String,
    ) -> Option<EventKind> {
        if self.policies.stopped[by].swap(true, Ordering::Relaxed) {
            return None;
        }
        let stopped = format!("recycling by `{name}` was stopped: {why}");
        state.stopped.push(stopped);
        let (policy, message) = (name.to_owned(), why);
        Some(EventKind::RecyclingStopped { policy, message })
    }

    /// Asks the policies about one worker.
    pub(super) fn assess(self: &Arc<Self>, worker: WorkerId) {
        // Calls that end meanwhile may give reason to ask again; those that end after that will do so themselves.
        for _ in 0..3 {
            if self.policies.is_empty() || !self.assess_once(worker) {
                return;
            }
        }
    }

    /// Asks the policies about the workers whose time has come.
    pub(super) fn assess_due(self: &Arc<Self>) {
        let now = Instant::now();
        let due: Vec<_> = {
            let state = self.state.lock();
            let members = state.members.iter();
            members
                .filter(|(_, (_, record))| record.check_at.is_some_and(|at| at <= now))
                .map(|(worker, _)| *worker)
                .collect()
        };
        for worker in due {
            self.assess(worker);
        }
    }

    /// Whether to ask again at once.
    fn assess_once(self: &Arc<Self>, worker: WorkerId) -> bool {
        let found = {
            let mut state = self.state.lock();
            let found = Subject::find(&state, worker);
            if let (None, Some(record)) = (&found, state.record(worker)) {
                // Or its time would have come again and again until it is gone.
                record.check_at = None;
            }
            found
        };
        let Some(Subject {
            member,
            view,
            recyclable,
        }) = found
        else {
            return false;
        };
        let now = Instant::now();
        let verdicts = self.ask(|by, policy| {
            let verdict = policy.assess(&view, now);
            (by, policy.name().to_owned(), verdict)
        });
        let heaviest = verdicts.reduce(|first, other| {
            if weight(&other.2) > weight(&first.2) {
                other
            } else {
                first
            }
        });
        if let Some((by, name, verdict)) = heaviest {
            self.carry_out(&member, by, &name, verdict, recyclable);
        }
        let next = self.recheck(&view, now);
        {
            let mut state = self.state.lock();
            if let Some(record) = state.record(worker) {
                record.check_at = next.at;
                next.at.inspect(|at| self.arm(&mut state, *at));
            }
        }
        member.tally.ask_at(next.served.filter(|_| recyclable))
    }

    /// When to ask again: the earliest any policy wants, but not before something can have changed.
    fn recheck(self: &Arc<Self>, view: &WorkerView, now: Instant) -> Recheck {
        let asked: Vec<_> = self.ask(|_, policy| policy.recheck(view, now)).collect();
        let at = asked.iter().filter_map(|recheck| recheck.at).min();
        let served = asked.iter().filter_map(|recheck| recheck.served).min();
        Recheck {
            at: at.map(|at| if at > now { at } else { now + SOON }),
            served: served.map(|served| served.max(view.served + 1)),
        }
    }

    fn carry_out(
        self: &Arc<Self>,
        member: &Arc<Member>,
        by: usize,
        name: &str,
        verdict: Verdict,
        recyclable: bool,
    ) {
        let worker = member.id;
        match verdict {
            Verdict::Trim => self.trim(member),
            Verdict::Kill(why) => self.step(Input::Condemn(worker, RetireReason::Killed(why))),
            Verdict::Retire(why) if recyclable => self.retire(worker, by, name, why),
            Verdict::Release(_) if recyclable => self.step(Input::Release(worker)),
            Verdict::Keep | Verdict::Retire(_) | Verdict::Release(_) => {}
        }
    }

    /// Has a worker replaced by the will of a policy, unless the policy has gone too far.
    fn retire(self: &Arc<Self>, worker: WorkerId, by: usize, name: &str, why: String) {
        self.step_by(|state| {
            let subject = Subject::find(state, worker).filter(|subject| subject.recyclable);
            let Some(subject) = subject.filter(|_| !self.policies.is_stopped(by)) else {
                return (None, None);
            };
            let (served, size) = (subject.view.served, state.sched.target());
            if self.policies.is_guarded(by)
                && state.guards[by].retires(served, size, Instant::now())
            {
                return (None, self.stop_policy(state, by, name, why));
            }
            let retire = Input::Retire(worker, RetireReason::Policy(why));
            (Some(retire), None)
        });
    }

    /// Has a worker replaced because its profile finds it unfit.
    pub(super) fn retire_unfit(self: &Arc<Self>, worker: WorkerId, code: &str, why: String) {
        self.retire(worker, self.policies.all.len(), code, why);
    }

    /// Has a worker give memory back, one attempt at a time.
    fn trim(self: &Arc<Self>, member: &Arc<Member>) {
        let begun = {
            let mut state = self.state.lock();
            let record = state.record(member.id);
            record.is_some_and(|record| !std::mem::replace(&mut record.trimming, true))
        };
        if !begun {
            return;
        }
        let (shared, member) = (Arc::downgrade(self), Arc::clone(member));
        self.runtime.spawn(async move {
            answer(TRIM_PATIENCE, async { member.worker.trim().await }).await;
            let Some(shared) = shared.upgrade() else {
                return;
            };
            if let Some(record) = shared.state.lock().record(member.id) {
                record.trimmed(Instant::now());
            }
            shared.assess(member.id);
        });
    }
}
