//! How many workers there should be, between the fewest and the most; knows no worker and no queue, only what it is told
//! of them.
//!
//! A pool grows because calls waited too long, by doubling at most, and shrinks by one worker at a time, with a pause
//! after each change. When it has to grow again soon after it shrank, that was a mistake: the pause doubles, so that a
//! load between two sizes does not make the pool go back and forth. Time without such mistakes halves the pause again.

use std::time::{Duration, Instant};

use crate::pool::PoolSettings;

/// The pause grows to at most this many times `scale_cooldown`.
const LONGEST_STRETCH: u32 = 16;

/// The number of workers wanted and what may change it.
#[derive(Debug)]
pub(super) struct Scale {
    min: usize,
    max: usize,
    target: usize,
    patience: Duration,
    cooldown: Duration,
    /// How many times `cooldown` the pause is now.
    stretch: u32,
    changed_at: Option<Instant>,
    shrank_at: Option<Instant>,
    /// When the stretch last changed, or was last confirmed by another mistake.
    stretched_at: Option<Instant>,
}

impl Scale {
    pub(super) fn new(settings: &PoolSettings) -> Self {
        Self {
            min: settings.size,
            max: settings
                .max_size
                .unwrap_or(settings.size)
                .max(settings.size),
            target: settings.size,
            patience: settings.scale_up_after,
            cooldown: settings.scale_cooldown,
            stretch: 1,
            changed_at: None,
            shrank_at: None,
            stretched_at: None,
        }
    }

    pub(super) fn target(&self) -> usize {
        self.target
    }

    pub(super) fn bounds(&self) -> (usize, usize) {
        (self.min, self.max)
    }

    /// How long a call has to wait before that is a reason to grow.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Whether the most is not reached.
    pub(super) fn may_grow(&self) -> bool {
        self.target < self.max
    }

    /// Sets new bounds and moves the target between them. Someone asked for it, so no pause holds it back.
    pub(super) fn resize(&mut self, min: usize, max: usize, now: Instant) {
        self.min = min;
        self.max = max.max(min);
        let target = self.target.clamp(self.min, self.max);
        if target != self.target {
            self.target = target;
            self.changed_at = Some(now);
        }
    }

    /// Grows by as many workers of `lanes` lanes as `waiting` calls can use, at most to twice the size.
    pub(super) fn grow(&mut self, waiting: usize, lanes: usize, now: Instant) {
        let useful = waiting.div_ceil(lanes.max(1));
        let step = useful.min(self.target.max(1)).min(self.max - self.target);
        if step == 0 {
            return;
        }
        self.relax(now);
        let mistake = self.shrank_at.is_some_and(|at| now < at + 2 * self.pause());
        if mistake {
            self.stretch = (self.stretch * 2).min(LONGEST_STRETCH);
            self.stretched_at = Some(now);
            // One shrinking is one mistake, however many steps it takes to make up for it.
            self.shrank_at = None;
        }
        self.target += step;
        self.changed_at = Some(now);
    }

    /// Shrinks by one. False if the pool is as small as may be, or the pause is not over.
    pub(super) fn shrink(&mut self, now: Instant) -> bool {
        self.relax(now);
        let paused = self.changed_at.is_some_and(|at| now < at + self.pause());
        if self.target <= self.min || paused {
            return false;
        }
        self.target -= 1;
        self.changed_at = Some(now);
        self.shrank_at = Some(now);
        true
    }

    fn pause(&self) -> Duration {
        self.cooldown * self.stretch
    }

    /// Halves the pause for each four pauses that went by without a mistake.
    fn relax(&mut self, now: Instant) {
        while let Some(at) = self.stretched_at {
            let quiet = at + 4 * self.pause();
            if self.stretch == 1 || now < quiet {
                return;
            }
            self.stretch /= 2;
            self.stretched_at = Some(quiet);
        }
    }
}
