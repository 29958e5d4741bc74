//! Whether launching goes on when workers keep dying; knows no clock, and of workers only their ids.
//!
//! It counts, over a sliding window, workers that died of themselves and calls that were finished. Too many deaths that
//! are not outweighed by calls open it: no launches for a while. Then one worker is tried; what becomes of it decides.

use std::time::{Duration, Instant};

use super::jitter::Jitter;
use crate::ids::WorkerId;
use crate::pool::BreakerState;

const BUCKETS: usize = 10;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    deaths: u32,
    finished: u32,
}

/// Deaths and finished calls of the last `window`, in tenths of it.
#[derive(Debug)]
struct Window {
    buckets: [Bucket; BUCKETS],
    current: usize,
    width: Duration,
    /// When the current bucket is full. `None` before the first count.
    ends: Option<Instant>,
}

impl Window {
    fn new(window: Duration) -> Self {
        Self {
            buckets: [Bucket::default(); BUCKETS],
            current: 0,
            // A width of zero would turn for ever.
            width: (window / 10).max(Duration::from_millis(1)),
            ends: None,
        }
    }

    /// The bucket of this moment. One comparison, but for the first time in each tenth of the window.
    fn bucket(&mut self, now: Instant) -> &mut Bucket {
        if self.ends.is_none_or(|ends| now >= ends) {
            self.turn(now);
        }
        &mut self.buckets[self.current]
    }

    fn turn(&mut self, now: Instant) {
        let mut turns = 0;
        let mut ends = self.ends.unwrap_or(now);
        while ends <= now && turns < BUCKETS {
            self.current = (self.current + 1) % BUCKETS;
            self.buckets[self.current] = Bucket::default();
            ends += self.width;
            turns += 1;
        }
        // After a long silence the buckets are all empty, and time starts anew.
        self.ends = Some(if ends <= now { now + self.width } else { ends });
    }

    fn deaths(&self) -> u32 {
        self.buckets.iter().map(|bucket| bucket.deaths).sum()
    }

    fn finished(&self) -> u64 {
        let finished = self.buckets.iter().map(|bucket| u64::from(bucket.finished));
        finished.sum()
    }

    fn clear(&mut self) {
        self.buckets = [Bucket::default(); BUCKETS];
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        pause: Duration,
        until: Instant,
    },
    HalfOpen {
        trial: Option<WorkerId>,
        /// Since when nothing has died; `None` while the trial is being launched or waited for.
        alive_since: Option<Instant>,
    },
}

/// Stops launching when workers die faster than they are of use.
#[derive(Debug)]
pub(super) struct Breaker {
    window: Window,
    length: Duration,
    state: State,
    /// Before jitter; doubles with each opening that follows another closely.
    pause: Duration,
    /// An opening before this is a relapse.
    relapse_until: Option<Instant>,
    /// Deaths that opened it last.
    deaths: u32,
    jitter: Jitter,
}

impl Breaker {
    /// Counts over `window`, `restart_window`.
    pub(super) fn new(window: Duration, seed: u64) -> Self {
        Self {
            window: Window::new(window),
            length: window,
            state: State::Closed,
            pause: FIRST_PAUSE,
            relapse_until: None,
            deaths: 0,
            jitter: Jitter::new(seed),
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { pause, .. } => BreakerState::Open { pause },
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Deaths that opened it; 0 when it is closed.
    pub(super) fn deaths(&self) -> u32 {
        if self.state == State::Closed {
            0
        } else {
            self.deaths
        }
    }

    /// Whether a worker may be launched now.
    pub(super) fn may_launch(&self) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { .. } => false,
            State::HalfOpen { trial, .. } => trial.is_none(),
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        match self.state {
            State::Closed => None,
            State::Open { until, .. } => Some(until),
            State::HalfOpen { alive_since, .. } => alive_since.map(|at| at + self.length),
        }
    }

    /// A worker finished a call. True if that closed it: calls of others than the worker on trial only count.
    pub(super) fn finished(&mut self, worker: WorkerId, now: Instant) -> bool {
        let bucket = self.window.bucket(now);
        bucket.finished = bucket.finished.saturating_add(1);
        let on_trial = self.is_on_trial(worker);
        if on_trial {
            self.close(now);
        }
        on_trial
    }

    /// A worker is being launched.
    pub(super) fn launching(&mut self, worker: WorkerId) {
        if let State::HalfOpen { trial, alive_since } = &mut self.state {
            *trial = Some(worker);
            *alive_since = None;
        }
    }

    /// A worker is ready.
    pub(super) fn ready(&mut self, worker: WorkerId, now: Instant) {
        match &mut self.state {
            State::HalfOpen { trial, alive_since } if *trial == Some(worker) => {
                *alive_since = Some(now);
            }
            _ => {}
        }
    }

    /// A worker ended because we wanted it to. If it was on trial, another one will be.
    pub(super) fn ended(&mut self, worker: WorkerId, now: Instant) {
        match &mut self.state {
            State::HalfOpen { trial, alive_since } if *trial == Some(worker) => {
                *trial = None;
                *alive_since = Some(now);
            }
            _ => {}
        }
    }

    /// A launch failed. True if that opened it.
    pub(super) fn launch_failed(&mut self, worker: WorkerId, now: Instant) -> bool {
        let on_trial = self.is_on_trial(worker);
        if on_trial {
            self.open(now);
        }
        on_trial
    }

    /// A worker that was ready died, and nobody had ordered it, or a policy killed it before it was of use. True if that
    /// opened it.
    pub(super) fn died(&mut self, worker: WorkerId, budget: u32, now: Instant) -> bool {
        let bucket = self.window.bucket(now);
        bucket.deaths = bucket.deaths.saturating_add(1);
        let (deaths, finished) = (self.window.deaths(), self.window.finished());
        let too_many = deaths >= budget && u64::from(deaths) * 2 > finished;
        let opens = match self.state {
            State::Closed => too_many,
            State::Open { .. } => false,
            State::HalfOpen { .. } => too_many || self.is_on_trial(worker),
        };
        if opens {
            if too_many {
                self.deaths = deaths;
            } else {
                self.deaths = self.deaths.saturating_add(1);
            }
            self.open(now);
        }
        opens
    }

    /// Time passed. True if the state changed. `wanted`: a worker is missing that could be tried, now or when launches
    /// are held back no longer. Only a pool that needs none is mended by time alone.
    pub(super) fn tick(&mut self, wanted: bool, now: Instant) -> bool {
        if let State::HalfOpen {
            trial: None,
            alive_since,
        } = &mut self.state
        {
            *alive_since = alive_since.or(Some(now)).filter(|_| !wanted);
        }
        if self.wake_at().is_none_or(|at| at > now) {
            return false;
        }
        match self.state {
            State::Closed => return false,
            State::Open { .. } => {
                self.state = State::HalfOpen {
                    trial: None,
                    alive_since: (!wanted).then_some(now),
                };
                self.window.clear();
            }
            State::HalfOpen { .. } => self.close(now),
        }
        true
    }

    fn is_on_trial(&self, worker: WorkerId) -> bool {
        matches!(self.state, State::HalfOpen { trial, .. } if trial == Some(worker))
    }

    fn open(&mut self, now: Instant) {
        let relapse = self.relapse_until.is_some_and(|until| now < until);
        let again = relapse || self.state != State::Closed;
        self.pause = if again {
            (self.pause * 2).min(LONGEST_PAUSE)
        } else {
            FIRST_PAUSE
        };
        let pause = self.jitter.spread(self.pause);
        self.state = State::Open {
            pause,
            until: now + pause,
        };
    }

    fn close(&mut self, now: Instant) {
        self.state = State::Closed;
        self.relapse_until = Some(now + 2 * self.length);
        self.window.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(10);

    #[test]
    fn the_window_slides() {
        let start = Instant::now();
        let mut window = Window::new(LENGTH);
        window.bucket(start).deaths += 1;
        window.bucket(start + LENGTH / 2).deaths += 1;
        assert_eq!(window.deaths(), 2);
        window.bucket(start + LENGTH);
        assert_eq!(window.deaths(), 1, "the first one is out");
        window.bucket(start + LENGTH * 1000);
        assert_eq!(window.deaths(), 0);
    }

    #[test]
    fn a_relapse_soon_after_it_closed_is_punished_a_late_one_is_not() {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(LENGTH, 1);
        let worker = WorkerId::new(1);
        let mut break_and_mend = |after: Duration| {
            now += after;
            assert!(breaker.died(worker, 1, now));
            let until = breaker.wake_at().expect("it is open");
            let pause = until - now;
            assert!(breaker.tick(true, until));
            breaker.launching(worker);
            assert!(breaker.finished(worker, until));
            now = until;
            pause
        };
        let first = break_and_mend(Duration::ZERO);
        let soon = break_and_mend(LENGTH);
        let late = break_and_mend(3 * LENGTH);
        assert!(soon > first, "{soon:?} after {first:?}");
        assert!(late < soon, "{late:?} after {soon:?}");
    }
}
