//! What happened lately, and whether the events of each pool add up. Must not know what is being done to the pools.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::time::Instant;

use parking_lot::Mutex;
use snakepit_core::{CallId, Event, EventKind, EventSink, PoolName, WorkerId};

/// Entries of each kind kept to be shown with the first fault.
const LATEST: usize = 100;

/// Remembers for all pools.
#[derive(Debug)]
pub(crate) struct History {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What we did, and what became of workers.
    latest: VecDeque<(Instant, Entry)>,
    /// What became of calls: so much that it would leave no room for the rest.
    latest_calls: VecDeque<(Instant, Entry)>,
    pools: BTreeMap<PoolName, Account>,
    faults: Vec<String>,
    /// What had happened when the first fault was found.
    shown: Option<String>,
}

#[derive(Debug)]
enum Entry {
    /// Something we did.
    Deed(String),
    Event(Box<Event>),
}

/// The events of a pool, as far as they are not settled.
#[derive(Debug, Default)]
struct Account {
    /// Sinks may hear of two events in the other order, so each is only noted, and judged when all is quiet.
    calls: HashMap<CallId, Seen>,
    workers: HashMap<WorkerId, Seen>,
    counts: Counts,
}

/// How often a thing began and ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    began: u8,
    ended: u8,
}

/// What became of the workers of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) launched: u64,
    pub(crate) ready: u64,
    pub(crate) failed: u64,
    pub(crate) exited: u64,
    pub(crate) started: u64,
}

impl History {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            state: Mutex::default(),
        }
    }

    /// Remembers what we did.
    pub(crate) fn did(&self, deed: impl Into<String>) {
        remember(&mut self.state.lock().latest, Entry::Deed(deed.into()));
    }

    /// Something that must not be.
    pub(crate) fn fault(&self, fault: impl Into<String>) {
        let fault = fault.into();
        let mut state = self.state.lock();
        if state.shown.is_none() {
            state.shown = Some(state.show(self.began));
        }
        // One cause can have thousands of effects.
        if state.faults.len() < LATEST {
            state.faults.push(fault);
        }
    }

    /// All that must not be, and what had happened before the first.
    pub(crate) fn faults(&self) -> (Vec<String>, String) {
        let state = self.state.lock();
        (
            state.faults.clone(),
            state.shown.clone().unwrap_or_default(),
        )
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.state.lock().faults.is_empty()
    }

    pub(crate) fn counts(&self, pool: &PoolName) -> Counts {
        let state = self.state.lock();
        state
            .pools
            .get(pool)
            .map_or_else(Counts::default, |account| account.counts)
    }

    /// Judges the events of a pool that is quiet: no call under way, and so many workers there.
    pub(crate) fn audit(&self, pool: &PoolName, workers: usize) -> Vec<String> {
        let mut state = self.state.lock();
        let account = state.pools.entry(pool.clone()).or_default();
        let mut faults = Vec::new();
        for (call, seen) in account.calls.drain() {
            faults.push(format!(
                "{pool}: call {call} started {} times and finished {} times, by its events",
                seen.began, seen.ended
            ));
        }
        let alive = account.workers.values().filter(|seen| seen.ended == 0);
        if alive.count() != workers {
            faults.push(format!(
                "{pool}: {workers} workers are there, but events tell of {}",
                account
                    .workers
                    .values()
                    .filter(|seen| seen.ended == 0)
                    .count()
            ));
        }
        for (worker, seen) in &account.workers {
            if seen.began != 1 || seen.ended > 1 {
                faults.push(format!(
                    "{pool}: worker {worker} became ready {} times and exited {} times, by its events",
                    seen.began, seen.ended
                ));
            }
        }
        // Whoever comes back is a stranger then.
        account.workers.retain(|_, seen| seen.ended == 0);
        faults
    }
}

impl EventSink for History {
    fn record(&self, event: &Event) {
        let mut state = self.state.lock();
        state
            .pools
            .entry(event.pool.clone())
            .or_default()
            .note(&event.kind);
        let entry = Entry::Event(Box::new(event.clone()));
        match event.kind {
            EventKind::CallQueued { .. } | EventKind::Log { .. } => {}
            EventKind::CallStarted { .. }
            | EventKind::CallFinished { .. }
            | EventKind::CallRejected { .. } => remember(&mut state.latest_calls, entry),
            _ => remember(&mut state.latest, entry),
        }
    }
}

impl Account {
    fn note(&mut self, kind: &EventKind) {
        match kind {
            EventKind::WorkerLaunching { .. } => self.counts.launched += 1,
            EventKind::LaunchFailed { .. } => self.counts.failed += 1,
            EventKind::WorkerReady { worker, .. } => {
                self.counts.ready += 1;
                self.workers.entry(*worker).or_default().began += 1;
            }
            EventKind::WorkerExited { worker, .. } => {
                self.counts.exited += 1;
                self.workers.entry(*worker).or_default().ended += 1;
            }
            EventKind::CallStarted { call, .. } => {
                self.counts.started += 1;
                self.call(*call, |seen| seen.began += 1);
            }
            EventKind::CallFinished { call, .. } => self.call(*call, |seen| seen.ended += 1),
            _ => {}
        }
    }

    fn call(&mut self, call: CallId, note: impl FnOnce(&mut Seen)) {
        let seen = self.calls.entry(call).or_default();
        note(seen);
        // Whoever starts or finishes again is left over in the end.
        if *seen == (Seen { began: 1, ended: 1 }) {
            self.calls.remove(&call);
        }
    }
}

fn remember(entries: &mut VecDeque<(Instant, Entry)>, entry: Entry) {
    if entries.len() == LATEST {
        entries.pop_front();
    }
    entries.push_back((Instant::now(), entry));
}

impl State {
    fn show(&self, began: Instant) -> String {
        let mut text = String::new();
        let mut entries: Vec<_> = self.latest.iter().chain(&self.latest_calls).collect();
        entries.sort_by_key(|(at, _)| *at);
        for (at, entry) in entries {
            let seconds = (*at - began).as_secs_f64();
            let _ = match entry {
                Entry::Deed(deed) => writeln!(text, "{seconds:9.4}  >>> {deed}"),
                Entry::Event(event) => writeln!(
                    text,
                    "{seconds:9.4}  {} #{}: {}",
                    event.pool,
                    event.seq,
                    brief(&event.kind)
                ),
            };
        }
        text
    }
}

/// An event without what takes pages.
fn brief(kind: &EventKind) -> String {
    let text = match kind {
        EventKind::WorkerReady {
            worker,
            hello,
            took,
        } => format!(
            "worker {worker} ready after {took:?}, process {:?}, {}",
            hello.process, hello.launch
        ),
        EventKind::WorkerExited { worker, report } => {
            format!("worker {worker} exited: {}", report.cause())
        }
        other => format!("{other:?}"),
    };
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
