//! How calls and sessions belong together: where a call of a session may run, and what its session learns of that. Knows
//! neither queue nor lanes.

use std::time::Instant;

use bytes::Bytes;

use super::sessions::{Kept, SessionStatus, Standing, Visit};
use super::{Action, Affinity, Refusal, Scheduler, Stay};
use crate::event::SessionEnd;
use crate::ids::{SessionId, WorkerId};
use crate::session::Origin;

impl Scheduler {
    /// The serving worker a call's session is bound to, if any; or why there can be no such call.
    pub(super) fn seek(
        &mut self,
        session: &SessionId,
        affinity: Affinity,
        now: Instant,
        out: &mut Vec<Action>,
    ) -> Result<Option<WorkerId>, Refusal> {
        match self.sessions.look(session, now) {
            Standing::Unknown => {
                if self.sessions.is_full() {
                    self.expire_sessions(now, out);
                }
                if self.sessions.is_full() {
                    return Err(Refusal::TooManySessions(self.sessions.len()));
                }
                Ok(None)
            }
            Standing::Expired => {
                self.end_session(session, SessionEnd::Expired, out);
                Ok(None)
            }
            Standing::Open { home, .. } if self.workers.is_serving(home) => Ok(Some(home)),
            Standing::Open { .. } if affinity == Affinity::Hint => Ok(None),
            // Not before the one that runs there is over, and has left what it leaves.
            Standing::Open {
                home, saving: true, ..
            } if self.workers.state(home).is_some() => Ok(Some(home)),
            Standing::Open { movable: true, .. } => Ok(None),
            Standing::Open { home, .. } => {
                self.end_session(session, SessionEnd::Lost, out);
                Err(Refusal::SessionLost(home))
            }
        }
    }

    /// Notes that a call of the session begins on this worker, and what it is to take along.
    pub(super) fn enter(
        &mut self,
        (session, affinity): &(SessionId, Affinity),
        worker: WorkerId,
        now: Instant,
        out: &mut Vec<Action>,
    ) -> Visit {
        let workers = &self.workers;
        let stays = |home| {
            // A hint that found its worker busy keeps pointing there: the next call may find it free.
            *affinity == Affinity::Hint && workers.is_serving(home)
        };
        let is_there = |worker| workers.state(worker).is_some();
        let noted = self.sessions.enter(session, worker, now, stays, is_there);
        if noted.opened {
            let session = session.clone();
            out.push(Action::SessionOpened { session, worker });
        }
        if let Some(from) = noted.moved_from {
            out.push(Action::SessionMoved {
                session: session.clone(),
                from,
                to: worker,
                with_state: noted.visit.left.is_some(),
            });
        }
        noted.visit
    }

    /// When a session that insists on this worker last used it: one that would be lost with it.
    pub(super) fn insisted_at(&self, worker: WorkerId) -> Option<Instant> {
        let of_it = self.running.values().filter(|one| one.worker == worker);
        let in_use =
            of_it.filter(|one| one.session.as_ref().is_some_and(|stay| self.insists(stay)));
        let since = in_use.map(|one| one.since).max();
        since.max(self.workers.insisted_at(worker))
    }

    fn insists(&self, stay: &Stay) -> bool {
        stay.affinity != Affinity::Hint && self.sessions.is_unsaved(&stay.session, stay.number)
    }

    pub(super) fn end_session(
        &mut self,
        session: &SessionId,
        why: SessionEnd,
        out: &mut Vec<Action>,
    ) {
        let ended = self.sessions.end(session);
        out.extend(ended.map(|ended| Action::SessionEnded(ended, why)));
    }

    pub(super) fn expire_sessions(&mut self, now: Instant, out: &mut Vec<Action>) {
        let ended = self.sessions.expire(now).into_iter();
        out.extend(ended.map(|ended| Action::SessionEnded(ended, SessionEnd::Expired)));
    }

    /// A call of a session is over, and what it leaves was kept.
    pub(super) fn leave(
        &mut self,
        stay: &Stay,
        worker: WorkerId,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        if self.insists(stay) {
            self.workers.insist(worker, now);
        }
        let ended = self.sessions.leave(&stay.session, stay.number, true, now);
        out.extend(ended.map(Action::SessionLeft));
    }

    /// Whether a call of this session would be told that what it knew is lost.
    pub(crate) fn is_session_lost(&self, session: &SessionId, now: Instant) -> bool {
        matches!(
            self.sessions.look(session, now),
            Standing::Open { home, movable: false, .. } if !self.workers.is_serving(home)
        )
    }

    /// Keeps what a session left on a worker, with this version of it.
    pub(crate) fn save_session(
        &mut self,
        number: u64,
        origin: Origin,
        version: u64,
        state: Option<Bytes>,
    ) -> Kept {
        self.sessions.save(number, origin, version, state)
    }

    /// The name of the session of this number, while there is one.
    pub(crate) fn session_name(&self, number: u64) -> Option<SessionId> {
        self.sessions.name(number).cloned()
    }

    /// The number of a session, if there is one of that name.
    pub(crate) fn session_number(&self, session: &SessionId) -> Option<u64> {
        self.sessions.number(session)
    }

    /// Whether the worker takes calls.
    pub(crate) fn serves(&self, worker: WorkerId) -> bool {
        self.workers.is_serving(worker)
    }

    /// Notes that someone has something on this worker that is nowhere else, and uses it.
    pub(crate) fn insist(&mut self, worker: WorkerId, now: Instant) {
        self.workers.insist(worker, now);
    }

    /// Whether there is such a session.
    pub(crate) fn has_session(&self, session: &SessionId, now: Instant) -> bool {
        matches!(self.sessions.look(session, now), Standing::Open { .. })
    }

    /// All sessions, in no order.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionStatus> + '_ {
        self.sessions.iter()
    }

    /// How many sessions there are, and the bytes kept for them.
    pub(crate) fn session_count(&self) -> (usize, u64) {
        (self.sessions.len(), self.sessions.saved_bytes())
    }
}
