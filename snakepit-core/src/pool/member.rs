//! What the pool keeps of one worker from the moment it is ready. Knows no policy and takes no decision.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::error::ExitReport;
use crate::ids::WorkerId;
use crate::recycle::WorkerView;
use crate::sched::WorkerStatus;
use crate::usage::Usage;
use crate::worker::{Hello, Worker};

/// Readings kept of each worker.
const READINGS: usize = 16;

/// Lines of output kept of a worker that is gone.
const LAST_LINES: usize = 40;

/// A worker that was launched.
pub(super) struct Member {
    pub(super) id: WorkerId,
    pub(super) worker: Arc<dyn Worker>,
    pub(super) hello: Arc<Hello>,
    pub(super) ready_at: Instant,
    pub(super) tally: Tally,
}

impl Member {
    pub(super) fn new(id: WorkerId, worker: Arc<dyn Worker>, hello: Arc<Hello>) -> Self {
        Self {
            id,
            worker,
            hello,
            ready_at: Instant::now(),
            tally: Tally::default(),
        }
    }

    /// Adds to a report of this worker's end what only the pool knows.
    pub(super) fn complete(&self, report: &mut ExitReport) {
        report.age = Some(self.ready_at.elapsed());
        report.served = self.tally.finished();
        let surplus = report.output.len().saturating_sub(LAST_LINES);
        report.output.drain(..surplus);
    }
}

/// Counts the calls a worker finished, and knows at which count a policy wants to be asked. Outside of the pool's lock:
/// a call that ends costs one addition and one comparison here.
#[derive(Debug)]
pub(super) struct Tally {
    finished: AtomicU64,
    ask_at: AtomicU64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            finished: AtomicU64::new(0),
            ask_at: AtomicU64::new(u64::MAX),
        }
    }
}

impl Tally {
    pub(super) fn finished(&self) -> u64 {
        self.finished.load(Ordering::SeqCst)
    }

    /// One more. Whether a policy wants to be asked now.
    pub(super) fn count(&self) -> bool {
        let finished = self.finished.fetch_add(1, Ordering::SeqCst) + 1;
        finished >= self.ask_at.load(Ordering::SeqCst)
    }

    /// Asks again at this count. Whether it was reached already, by a call that ended meanwhile.
    pub(super) fn ask_at(&self, finished: Option<u64>) -> bool {
        let at = finished.unwrap_or(u64::MAX);
        self.ask_at.store(at, Ordering::SeqCst);
        self.finished() >= at
    }
}

/// What was found out about a worker so far.
#[derive(Debug)]
pub(super) struct Record {
    /// When it last gave a sign.
    pub(super) heard_at: Instant,
    /// Whether it should have given one since.
    pub(super) silent: bool,
    /// Whether it is giving memory back at this moment.
    pub(super) trimming: bool,
    /// When the policies want to be asked again.
    pub(super) check_at: Option<Instant>,
    boot: Option<Usage>,
    first_call: Option<Usage>,
    readings: Vec<Usage>,
    trimmed_at: Option<Instant>,
}

impl Record {
    pub(super) fn new(ready_at: Instant, boot: Option<Usage>) -> Self {
        Self {
            heard_at: ready_at,
            silent: false,
            trimming: false,
            check_at: None,
            boot,
            first_call: None,
            readings: Vec::new(),
            trimmed_at: None,
        }
    }

    /// Takes a reading of a worker that has finished so many calls.
    pub(super) fn read(&mut self, usage: Usage, finished: u64) {
        if self.readings.len() == READINGS {
            self.readings.remove(0);
        }
        self.readings.push(usage);
        if finished > 0 {
            self.first_call.get_or_insert(usage);
        }
    }

    /// The latest reading.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.readings.last().copied().or(self.boot)
    }

    /// It gave back what memory it could.
    pub(super) fn trimmed(&mut self, at: Instant) {
        self.trimming = false;
        self.trimmed_at = Some(at);
    }

    /// What policies may know of the worker.
    pub(super) fn view(&self, member: &Member, status: &WorkerStatus, spare: bool) -> WorkerView {
        let mut view = WorkerView::new(member.id, member.ready_at);
        view.served = member.tally.finished();
        view.busy = status.busy;
        view.idle_since = status.idle_since;
        view.spare = spare;
        view.heard_at = self.heard_at;
        view.boot = self.boot;
        view.first_call = self.first_call;
        view.readings.clone_from(&self.readings);
        view.trimmed_at = self.trimmed_at;
        view.memory_enforced = member.hello.memory_enforced;
        view
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn usage(at: Instant, private: u64) -> Usage {
        Usage::new(at, private, Duration::ZERO)
    }

    #[test]
    fn the_latest_readings_are_kept_and_the_first_one_after_a_call() {
        let now = Instant::now();
        let mut record = Record::new(now, Some(usage(now, 1)));
        assert_eq!(record.usage(), Some(usage(now, 1)));
        for number in 2..30 {
            record.read(usage(now, number), number / 10);
        }
        assert_eq!(record.readings.len(), READINGS);
        assert_eq!(record.usage(), Some(usage(now, 29)));
        assert_eq!(record.first_call, Some(usage(now, 10)));
    }

    #[test]
    fn a_count_that_is_reached_while_it_is_being_set_is_noticed() {
        let tally = Tally::default();
        assert!(!tally.count());
        assert!(!tally.ask_at(Some(3)));
        assert!(!tally.count());
        assert!(tally.count());
        assert!(tally.ask_at(Some(3)));
        assert!(!tally.ask_at(None));
    }
}
