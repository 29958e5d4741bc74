//! Whose turn it is to be looked at: one thread for all, started with the first and ended with the last. Knows not what
//! there is to see.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use snakepit_core::{Report, Usage};

use super::Unmeasurable;
use super::economy::{Economy, Step};
use super::process::{Process, thread_time};

/// What is due so soon is done along: waking up costs as much as a look.
const ALONG: Duration = Duration::from_millis(10);

/// The processes watched.
#[derive(Default)]
pub(super) struct Rounds {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By when they are due, and a number that tells apart those due together.
    turns: BTreeMap<(Instant, u64), Watched>,
    /// The one being looked at, which is not among them meanwhile.
    current: Option<u64>,
    last: u64,
    running: bool,
}

struct Watched {
    process: Process,
    every: Duration,
    economy: Economy,
    report: Report,
}

/// Ends the watch when dropped.
pub(super) struct Membership {
    rounds: Arc<Rounds>,
    number: u64,
}

impl Rounds {
    /// Adds a process. It is first looked at after one `every`, which is [`ALONG`] at least.
    pub(super) fn join(
        self: &Arc<Self>,
        process: Process,
        every: Duration,
        report: Report,
    ) -> Membership {
        // What is due at once, always, would keep the thread from everything else.
        let every = every.max(ALONG);
        let mut state = self.state.lock();
        state.last += 1;
        let number = state.last;
        let watched = Watched {
            process,
            every,
            economy: Economy::default(),
            report,
        };
        state
            .turns
            .insert((Instant::now() + every, number), watched);
        if state.running {
            self.changed.notify_one();
        } else {
            let rounds = Arc::clone(self);
            let thread = thread::Builder::new().name("snakepit-sampler".into());
            // A system without a thread to spare gives no readings. The next watch tries again.
            state.running = thread.spawn(move || rounds.run()).is_ok();
        }
        Membership {
            rounds: Arc::clone(self),
            number,
        }
    }

    /// Goes round until nobody is left.
    fn run(&self) {
        while let Some((turn, mut watched, others)) = self.next() {
            let goes_on = catch_unwind(AssertUnwindSafe(|| watched.turn(others + 1)));
            // A report that panics is not asked again; those of others are.
            let goes_on = goes_on.unwrap_or(false);
            let mut state = self.state.lock();
            let still_wanted = state.current.take().is_some();
            if goes_on && still_wanted {
                let (due, number) = turn;
                // Not from now: turns that were aligned stay so. But what was missed is not made up for.
                let next = (due + watched.every).max(Instant::now());
                state.turns.insert((next, number), watched);
            }
        }
    }

    /// Waits for the next turn; `None` when nobody is left.
    fn next(&self) -> Option<((Instant, u64), Watched, usize)> {
        let mut state = self.state.lock();
        loop {
            let Some((&(due, number), _)) = state.turns.first_key_value() else {
                state.running = false;
                return None;
            };
            if due <= Instant::now() + ALONG {
                let (turn, watched) = state.turns.pop_first()?;
                state.current = Some(number);
                return Some((turn, watched, state.turns.len()));
            }
            self.changed.wait_until(&mut state, due);
        }
    }
}

impl Watched {
    /// Looks, and reports if there is something to say. False when the process is gone.
    fn turn(&mut self, watched: usize) -> bool {
        let look = match self.process.look() {
            Ok(look) => look,
            Err(error) => return !matches!(error, Unmeasurable::Gone { .. }),
        };
        let now = Instant::now();
        let private = match self.economy.step(look.seen, now) {
            Step::Same(private) => private,
            Step::Later => return true,
            Step::Measure => {
                let before = thread_time();
                let private = match look.private() {
                    Ok(private) => private,
                    Err(error) => return !matches!(error, Unmeasurable::Gone { .. }),
                };
                let cost = thread_time().saturating_sub(before);
                self.economy
                    .measured(private, look.seen, now, cost, watched);
                private
            }
        };
        (self.report)(Usage::new(now, private, look.cpu));
        true
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut state = self.rounds.state.lock();
        if state.current == Some(self.number) {
            state.current = None;
        }
        let turn = state
            .turns
            .keys()
            .find(|turn| turn.1 == self.number)
            .copied();
        let ended = turn.and_then(|turn| state.turns.remove(&turn));
        self.rounds.changed.notify_one();
        // What it captured may be long to drop, and may hold a watch itself.
        drop(state);
        drop(ended);
    }
}

impl fmt::Debug for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rounds")
            .field("watched", &self.state.lock().turns.len())
            .finish_non_exhaustive()
    }
}
