//! The calls that wait, in the order they will be served; knows no worker's state.
//!
//! Every operation is O(1) or O(log n). A call that leaves early leaves its number behind in the order; numbers
//! without an entry are skipped, and swept out before they outnumber the calls that wait.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use super::{Affinity, Priority};
use crate::ids::{CallId, NumberMap, SessionId, WorkerId};

const LEVELS: usize = 3;

/// A call that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) priority: Priority,
    pub(super) session: Option<(SessionId, Affinity)>,
    /// The one worker it is for.
    pub(super) only_on: Option<WorkerId>,
    pub(super) since: Instant,
    pub(super) give_up_at: Instant,
}

impl Waiting {
    /// Whether it is a call of the pool's own. A caller's that is for one worker only belongs to a session.
    fn is_errand(&self) -> bool {
        self.only_on.is_some() && self.session.is_none()
    }
}

#[derive(Debug)]
struct Entry {
    waiting: Waiting,
    seq: u64,
    pinned_to: Option<WorkerId>,
}

/// The calls that wait: those of callers, and apart from them the pool's own, each for one worker, which are on no
/// caller's account.
#[derive(Debug, Default)]
struct Entries {
    callers: NumberMap<CallId, Entry>,
    errands: NumberMap<CallId, Entry>,
}

impl Entries {
    fn len(&self) -> usize {
        self.callers.len() + self.errands.len()
    }

    fn get(&self, call: CallId) -> Option<&Entry> {
        let caller = self.callers.get(&call);
        caller.or_else(|| self.errands.get(&call))
    }

    fn get_mut(&mut self, call: CallId) -> Option<&mut Entry> {
        let caller = self.callers.get_mut(&call);
        caller.or_else(|| self.errands.get_mut(&call))
    }

    fn insert(&mut self, call: CallId, entry: Entry) {
        let entries = if entry.waiting.is_errand() {
            &mut self.errands
        } else {
            &mut self.callers
        };
        entries.insert(call, entry);
    }

    fn remove(&mut self, call: CallId) -> Option<Entry> {
        let caller = self.callers.remove(&call);
        caller.or_else(|| self.errands.remove(&call))
    }
}

/// Numbers in order of arrival.
#[derive(Debug, Default)]
struct Line(VecDeque<CallId>);

impl Line {
    fn head(&mut self, entries: &Entries, here: Option<WorkerId>) -> Option<CallId> {
        while let Some(&call) = self.0.front() {
            if entries
                .get(call)
                .is_some_and(|entry| entry.pinned_to == here)
            {
                return Some(call);
            }
            self.0.pop_front();
        }
        None
    }

    fn sweep(&mut self, entries: &Entries, here: Option<WorkerId>) {
        if self.0.len() > 2 * entries.len() + 64 {
            self.0.retain(|call| {
                entries
                    .get(*call)
                    .is_some_and(|entry| entry.pinned_to == here)
            });
        }
    }
}

/// The queue of one pool.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: Entries,
    lines: [Line; LEVELS],
    pinned: NumberMap<WorkerId, Line>,
    timeouts: BTreeSet<(Instant, CallId)>,
    /// Calls that wait for one worker.
    bound: usize,
    next_seq: u64,
}

impl Queue {
    /// Calls of callers.
    pub(super) fn callers(&self) -> usize {
        self.entries.callers.len()
    }

    /// All calls, the pool's own included.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls that would take a lane of any worker.
    pub(super) fn unbound(&self) -> usize {
        self.entries.len() - self.bound
    }

    /// Since when the call waits that has waited longest of those that would take a lane of any worker.
    pub(super) fn waiting_since(&mut self) -> Option<Instant> {
        let heads = self
            .lines
            .iter_mut()
            .filter_map(|line| line.head(&self.entries, None));
        let entries = heads.filter_map(|call| self.entries.get(call));
        entries.map(|entry| entry.waiting.since).min()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.timeouts.first().map(|(at, _)| *at)
    }

    /// Puts a call at the end of its line: the pool's, or that of one worker.
    pub(super) fn push(&mut self, call: CallId, waiting: Waiting, pinned_to: Option<WorkerId>) {
        self.timeouts.insert((waiting.give_up_at, call));
        let seq = self.next_seq;
        self.next_seq += 1;
        let level = waiting.priority as usize;
        self.entries.insert(
            call,
            Entry {
                waiting,
                seq,
                pinned_to,
            },
        );
        self.bound += usize::from(pinned_to.is_some());
        let line = match pinned_to {
            Some(worker) => self.pinned.entry(worker).or_default(),
            None => &mut self.lines[level],
        };
        line.0.push_back(call);
        line.sweep(&self.entries, pinned_to);
    }

    /// Takes a call out, wherever it stands.
    pub(super) fn remove(&mut self, call: CallId) -> Option<Waiting> {
        let entry = self.entries.remove(call)?;
        self.timeouts.remove(&(entry.waiting.give_up_at, call));
        self.bound -= usize::from(entry.pinned_to.is_some());
        Some(entry.waiting)
    }

    /// Takes the call that a lane of `worker` should run next: the highest priority, then the longest wait, among
    /// those bound to the worker and those bound to none.
    pub(super) fn pop_for(&mut self, worker: WorkerId) -> Option<(CallId, Waiting)> {
        let bound = self
            .pinned
            .get_mut(&worker)
            .and_then(|line| line.head(&self.entries, Some(worker)));
        let free = self
            .lines
            .iter_mut()
            .rev()
            .find_map(|line| line.head(&self.entries, None));
        let rank = |call: &CallId| {
            let entry = self.entries.get(*call);
            entry.map(|entry| (std::cmp::Reverse(entry.waiting.priority), entry.seq))
        };
        let call = bound.into_iter().chain(free).min_by_key(rank)?;
        self.remove(call).map(|waiting| (call, waiting))
    }

    /// Gives the calls bound to a worker back to everyone, ahead of those that arrived later.
    pub(super) fn unbind(&mut self, worker: WorkerId) {
        let Some(line) = self.pinned.remove(&worker) else {
            return;
        };
        let mut touched = [false; LEVELS];
        for call in line.0 {
            if let Some(entry) = self
                .entries
                .get_mut(call)
                .filter(|entry| entry.pinned_to == Some(worker))
            {
                entry.pinned_to = None;
                self.bound -= 1;
                let level = entry.waiting.priority as usize;
                self.lines[level].0.push_back(call);
                touched[level] = true;
            }
        }
        let entries = &self.entries;
        for (line, _) in self
            .lines
            .iter_mut()
            .zip(touched)
            .filter(|(_, touched)| *touched)
        {
            line.0.retain(|call| entries.get(*call).is_some());
            line.0
                .make_contiguous()
                .sort_by_key(|call| entries.get(*call).map(|entry| entry.seq));
        }
    }

    /// Takes one call whose time is over.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<CallId> {
        let &(at, call) = self.timeouts.first()?;
        if at > now {
            return None;
        }
        self.remove(call);
        Some(call)
    }

    /// Takes everything.
    pub(super) fn clear(&mut self) -> Vec<CallId> {
        let Entries { callers, errands } = std::mem::take(&mut self.entries);
        let all = callers.into_iter().chain(errands);
        let mut calls: Vec<_> = all.map(|(call, entry)| (entry.seq, call)).collect();
        calls.sort_unstable();
        *self = Self {
            next_seq: self.next_seq,
            ..Self::default()
        };
        calls.into_iter().map(|(_, call)| call).collect()
    }

    /// The worker a call waits for, if it waits for one only.
    #[cfg(test)]
    pub(super) fn pinned_to(&self, call: CallId) -> Option<WorkerId> {
        self.entries.get(call)?.pinned_to
    }

    /// Numbers held, waiting or not: what must stay bounded.
    #[cfg(test)]
    pub(super) fn footprint(&self) -> usize {
        self.lines.iter().map(|line| line.0.len()).sum::<usize>()
            + self.pinned.values().map(|line| line.0.len()).sum::<usize>()
    }
}
