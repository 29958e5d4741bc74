//! The sessions there are: where each is at home, what it left to be handed over, when it ends. Knows no queue and no lane.
//!
//! A call costs two looks and a note in a hash table, whose entries are small: among many sessions it is the misses of the
//! processor's cache that cost. What not every call needs is kept beside. So is when sessions end, in order of time, which is
//! looked at only then: one that was used meanwhile is given a later time, so that no use has to find its place in that order.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::ids::{NumberMap, SessionId, WorkerId};
use crate::pool::PoolSettings;
use crate::session::{Left, Origin};

/// Sessions whose time is looked at in one go, so that nobody waits long for the lock.
const AT_ONCE: usize = 256;

/// How much later than it may a session is ended, at most: ending many together costs one wake-up.
const SLACK: Duration = Duration::from_secs(1);

/// The table.
#[derive(Debug)]
pub(super) struct Sessions {
    ttl: Duration,
    most: usize,
    state_limit: u64,
    table: NumberMap<SessionId, Entry>,
    /// The rest of what is known of each, by number.
    rests: NumberMap<u64, Rest>,
    /// When each is to be looked at, at the latest.
    ends: BTreeSet<(Instant, u64)>,
    next: u64,
    saved_bytes: u64,
    /// Sessions that ended while calls of them ran, by number, with how many still do.
    ending: NumberMap<u64, (Ended, u32)>,
}

/// What every call of a session looks at.
#[derive(Debug)]
struct Entry {
    number: u64,
    /// The worker it is bound to.
    home: WorkerId,
    used: Instant,
    calls: u64,
    running: u32,
    /// Whether a call of it has ended with its worker alive.
    answered: bool,
    leaves: Leaves,
}

/// Whether there is a [`Rest::saved`], and of what kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    /// Nothing was left yet.
    Nothing,
    /// What was left can be handed over.
    Movable,
    /// It cannot.
    Immovable,
}

#[derive(Debug)]
struct Rest {
    session: SessionId,
    /// Workers other than its home that have seen it.
    others: Vec<WorkerId>,
    opened: Instant,
    /// Its time in `ends`.
    look_at: Instant,
    saved: Option<Saved>,
    /// Goes up whenever it leaves something.
    edition: u64,
    /// Whether what it last left was over the limit.
    too_large: bool,
}

#[derive(Debug)]
struct Saved {
    worker: WorkerId,
    version: u64,
    /// None where it cannot be handed over.
    state: Option<Bytes>,
}

impl Saved {
    fn size(&self) -> usize {
        self.state.as_ref().map_or(0, Bytes::len)
    }
}

/// What became of a session's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is no such session.
    Unknown,
    /// There is one whose time is over.
    Expired,
    /// There is one.
    Open {
        /// The worker it is bound to, which may be gone.
        home: WorkerId,
        /// Whether it can go on elsewhere without anybody missing anything.
        movable: bool,
        /// Whether a call of it runs that will leave something newer than what is saved.
        saving: bool,
    },
}

/// What a call of a session takes along to its worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    /// The session's number: another one for each session of that name.
    pub(crate) number: u64,
    /// What the session left on another worker.
    pub(crate) left: Option<Left>,
    /// The session's edition as the call began. What another worker left after that is newer than what this call leaves.
    pub(crate) since: u64,
}

/// What a call did to its session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) visit: Visit,
    /// Whether it is the first.
    pub(super) opened: bool,
    /// Where the session was bound to before.
    pub(super) moved_from: Option<WorkerId>,
}

/// A session that is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) session: SessionId,
    pub(crate) number: u64,
    /// The workers that have seen it, the one that knows most of it first.
    pub(crate) workers: Vec<WorkerId>,
}

/// What became of a state that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is kept, or nobody needs it any more.
    Well,
    /// It is over the limit, in bytes. Said once, until one fits.
    TooLarge(u64),
}

/// A session as an owner of the pool sees it.
#[derive(Clone, Debug)]
pub(crate) struct SessionStatus {
    pub(crate) session: SessionId,
    pub(crate) worker: WorkerId,
    pub(crate) opened: Instant,
    pub(crate) used: Instant,
    pub(crate) calls: u64,
    pub(crate) saved: usize,
}

impl Sessions {
    pub(super) fn new(settings: &PoolSettings) -> Self {
        Self {
            ttl: settings.session_ttl,
            most: settings.max_sessions,
            state_limit: settings.session_state_limit,
            table: NumberMap::default(),
            rests: NumberMap::default(),
            ends: BTreeSet::new(),
            next: 1,
            saved_bytes: 0,
            ending: NumberMap::default(),
        }
    }

    /// How long an unused session lives.
    pub(super) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// How many there are, those included whose end was not noticed yet.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there may be no more.
    pub(super) fn is_full(&self) -> bool {
        self.table.len() >= self.most
    }

    /// Bytes kept for all of them.
    pub(super) fn saved_bytes(&self) -> u64 {
        self.saved_bytes
    }

    /// The number of the session of this name.
    pub(super) fn number(&self, session: &SessionId) -> Option<u64> {
        Some(self.table.get(session)?.number)
    }

    /// The name of the session of this number.
    pub(super) fn name(&self, number: u64) -> Option<&SessionId> {
        Some(&self.rests.get(&number)?.session)
    }

    /// Whether there is this session, and not all that it knows can be handed over.
    pub(super) fn is_unsaved(&self, session: &SessionId, number: u64) -> bool {
        let entry = self.table.get(session);
        entry.is_some_and(|entry| entry.number == number && !entry.is_saved())
    }

    /// What is known under this name.
    pub(super) fn look(&self, session: &SessionId, now: Instant) -> Standing {
        match self.table.get(session) {
            None => Standing::Unknown,
            Some(entry) if entry.is_over(self.ttl, now) => Standing::Expired,
            Some(entry) => Standing::Open {
                home: entry.home,
                movable: entry.is_saved() || !entry.answered,
                saving: entry.is_saved() && entry.running > 0,
            },
        }
    }

    /// Notes a call that begins on `worker`, opening the session if need be. `stays` says whether the session keeps the
    /// home it has, `is_there` whether a worker is still to be told of its end.
    pub(super) fn enter(
        &mut self,
        session: &SessionId,
        worker: WorkerId,
        now: Instant,
        stays: impl FnOnce(WorkerId) -> bool,
        is_there: impl Fn(WorkerId) -> bool,
    ) -> Noted {
        let Some(entry) = self.table.get_mut(session) else {
            return self.open(session, worker, now);
        };
        entry.used = now;
        entry.calls += 1;
        entry.running += 1;
        let mut noted = Noted {
            visit: Visit {
                number: entry.number,
                left: None,
                since: 0,
            },
            opened: false,
            moved_from: None,
        };
        if entry.home == worker && entry.leaves == Leaves::Nothing {
            return noted;
        }
        let Some(rest) = self.rests.get_mut(&entry.number) else {
            return noted;
        };
        if entry.home != worker {
            let home = entry.home;
            if stays(home) {
                rest.seen_by(worker, is_there);
            } else {
                entry.home = worker;
                rest.others.retain(|other| *other != worker);
                rest.seen_by(home, is_there);
                noted.moved_from = Some(home);
            }
        }
        let elsewhere = rest.saved.as_ref().filter(|saved| saved.worker != worker);
        let left = elsewhere.and_then(|saved| saved.state.clone());
        noted.visit.since = rest.edition;
        noted.visit.left = left.filter(|state| !state.is_empty()).map(|state| Left {
            edition: rest.edition,
            state,
        });
        noted
    }

    fn open(&mut self, session: &SessionId, worker: WorkerId, now: Instant) -> Noted {
        let number = self.next;
        self.next += 1;
        let look_at = now + self.ttl;
        self.ends.insert((look_at, number));
        let entry = Entry {
            number,
            home: worker,
            used: now,
            calls: 1,
            running: 1,
            answered: false,
            leaves: Leaves::Nothing,
        };
        self.table.insert(session.clone(), entry);
        let rest = Rest {
            session: session.clone(),
            others: Vec::new(),
            opened: now,
            look_at,
            saved: None,
            edition: 0,
            too_large: false,
        };
        self.rests.insert(number, rest);
        Noted {
            visit: Visit {
                number,
                left: None,
                since: 0,
            },
            opened: true,
            moved_from: None,
        }
    }

    /// Notes that a call is over; `answered` unless its worker is gone. Returns its session if that ended meanwhile, and
    /// this was the last of its calls: now workers can be told.
    pub(super) fn leave(
        &mut self,
        session: &SessionId,
        number: u64,
        answered: bool,
        now: Instant,
    ) -> Option<Ended> {
        let entry = self.table.get_mut(session);
        if let Some(entry) = entry.filter(|entry| entry.number == number) {
            entry.running -= 1;
            entry.used = now;
            entry.answered |= answered;
            return None;
        }
        let (_, running) = self.ending.get_mut(&number)?;
        *running -= 1;
        if *running > 0 {
            return None;
        }
        self.ending.remove(&number).map(|(ended, _)| ended)
    }

    /// Keeps what a session left on a worker, instead of what it left before. No bytes say that nothing need be handed
    /// over, None that it cannot be. A former home is heard too late if another worker has saved since.
    pub(super) fn save(
        &mut self,
        number: u64,
        Origin { worker, since }: Origin,
        version: u64,
        state: Option<Bytes>,
    ) -> Kept {
        let Some(rest) = self.rests.get_mut(&number) else {
            return Kept::Well;
        };
        let Some(entry) = self.table.get_mut(&rest.session) else {
            return Kept::Well;
        };
        // Two lanes of one worker may be read in either order. A former home may be read long after the session left it.
        let is_late = |saved: &Saved| {
            if saved.worker == worker {
                saved.version > version
            } else {
                rest.edition > since && entry.home != worker
            }
        };
        if rest.saved.as_ref().is_some_and(is_late) {
            return Kept::Well;
        }
        let size = state.as_ref().map_or(0, |state| state.len() as u64);
        let fits = size <= self.state_limit;
        let saved = Saved {
            worker,
            version,
            state: state.filter(|_| fits),
        };
        entry.leaves = if saved.state.is_some() {
            Leaves::Movable
        } else {
            Leaves::Immovable
        };
        rest.edition += 1;
        self.saved_bytes += saved.size() as u64;
        let old = rest.saved.replace(saved);
        self.saved_bytes -= old.map_or(0, |old| old.size() as u64);
        let was_too_large = std::mem::replace(&mut rest.too_large, !fits);
        if fits || was_too_large {
            Kept::Well
        } else {
            Kept::TooLarge(self.state_limit)
        }
    }

    /// Ends a session, whatever it does. No workers are named as long as calls of it run: see [`leave`](Self::leave).
    pub(super) fn end(&mut self, session: &SessionId) -> Option<Ended> {
        let entry = self.table.remove(session)?;
        let rest = self.rests.remove(&entry.number)?;
        self.ends.remove(&(rest.look_at, entry.number));
        Some(self.ended(&entry, rest))
    }

    /// Forgets all of them: there is nobody to be told.
    pub(super) fn clear(&mut self) {
        self.table.clear();
        self.rests.clear();
        self.ends.clear();
        self.ending.clear();
        self.saved_bytes = 0;
    }

    /// Ends sessions whose time is over, not too many in one go.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Ended> {
        let mut ended = Vec::new();
        for _ in 0..AT_ONCE {
            let Some(number) = self
                .ends
                .first()
                .filter(|(at, _)| *at <= now)
                .map(|end| end.1)
            else {
                break;
            };
            self.ends.pop_first();
            let Some(rest) = self.rests.get_mut(&number) else {
                continue;
            };
            let Some(entry) = self.table.get(&rest.session) else {
                continue;
            };
            if entry.is_over(self.ttl, now) {
                let session = rest.session.clone();
                ended.extend(self.end(&session));
            } else {
                let used = if entry.running > 0 { now } else { entry.used };
                rest.look_at = used + self.ttl;
                self.ends.insert((rest.look_at, number));
            }
        }
        ended
    }

    /// When to [`expire`](Self::expire) next.
    pub(super) fn next_end(&self) -> Option<Instant> {
        let (at, _) = self.ends.first()?;
        Some(*at + SLACK.min(self.ttl / 16))
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = SessionStatus> + '_ {
        self.table.iter().filter_map(|(session, entry)| {
            let rest = self.rests.get(&entry.number)?;
            Some(SessionStatus {
                session: session.clone(),
                worker: entry.home,
                opened: rest.opened,
                used: entry.used,
                calls: entry.calls,
                saved: rest.saved.as_ref().map_or(0, Saved::size),
            })
        })
    }

    fn ended(&mut self, entry: &Entry, rest: Rest) -> Ended {
        let saved = rest.saved;
        self.saved_bytes -= saved.as_ref().map_or(0, |saved| saved.size() as u64);
        let best = saved.map_or(entry.home, |saved| saved.worker);
        let mut workers = vec![best];
        let others = std::iter::once(entry.home).chain(rest.others);
        workers.extend(others.filter(|worker| *worker != best));
        let mut ended = Ended {
            session: rest.session,
            number: entry.number,
            workers,
        };
        if entry.running > 0 {
            let later = ended.clone();
            self.ending.insert(ended.number, (later, entry.running));
            ended.workers.clear();
        }
        ended
    }
}

impl Entry {
    /// Whether nobody used it for so long. A call that runs is a use.
    fn is_over(&self, ttl: Duration, now: Instant) -> bool {
        self.running == 0 && self.used + ttl <= now
    }

    /// Whether all that was answered can be handed over.
    fn is_saved(&self) -> bool {
        self.leaves == Leaves::Movable
    }
}

impl Rest {
    fn seen_by(&mut self, worker: WorkerId, is_there: impl Fn(WorkerId) -> bool) {
        /// A pool that replaces workers all day must not make lists grow.
        const MANY: usize = 16;
        if !self.others.contains(&worker) {
            if self.others.len() >= MANY {
                self.others.retain(|other| is_there(*other));
            }
            self.others.push(worker);
        }
    }
}
