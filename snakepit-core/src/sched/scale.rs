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

/// The pause is halved after this many times `scale_cooldown` without a mistake: more than the longest pause, or a pool
/// would forget before it could be wrong again.
const FORGET: u32 = 2 * LONGEST_STRETCH;

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

    /// Halves the pause for each long time that went by without a mistake.
    fn relax(&mut self, now: Instant) {
        while let Some(at) = self.stretched_at {
            let quiet = at + FORGET * self.cooldown;
            if self.stretch == 1 || now < quiet {
                return;
            }
            self.stretch /= 2;
            self.stretched_at = Some(quiet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOLDOWN: Duration = Duration::from_secs(5);

    fn scale(min: usize, max: usize) -> Scale {
        Scale::new(&PoolSettings {
            size: min,
            max_size: Some(max),
            scale_cooldown: COOLDOWN,
            ..PoolSettings::default()
        })
    }

    #[test]
    fn it_grows_by_what_is_of_use_and_at_most_to_twice_the_size() {
        let now = Instant::now();
        let mut scale = scale(4, 20);
        scale.grow(5, 4, now);
        assert_eq!(
            scale.target(),
            6,
            "two workers of four lanes for five calls"
        );
        scale.grow(1000, 4, now);
        assert_eq!(scale.target(), 12);
        scale.grow(1000, 4, now);
        assert_eq!(scale.target(), 20, "the most");
        assert!(!scale.may_grow());
    }

    /// How long it takes until it shrinks.
    fn pause(scale: &mut Scale, from: Instant) -> Duration {
        let mut paused = Duration::ZERO;
        while !scale.shrink(from + paused) {
            paused += Duration::from_secs(1);
        }
        paused
    }

    #[test]
    fn a_mistake_doubles_the_pause_up_to_sixteen_times() {
        let mut now = Instant::now();
        let mut scale = scale(1, 2);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            scale.grow(1, 1, now);
            let paused = pause(&mut scale, now);
            pauses.push(paused.as_secs() / COOLDOWN.as_secs());
            now += paused + Duration::from_secs(1);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 16]);
    }

    #[test]
    fn growing_long_after_shrinking_is_no_mistake() {
        let mut now = Instant::now();
        let mut scale = scale(1, 2);
        for _ in 0..6 {
            scale.grow(1, 1, now);
            let paused = pause(&mut scale, now);
            assert_eq!(paused, COOLDOWN);
            now += paused + 2 * COOLDOWN;
        }
    }

    #[test]
    fn mistakes_are_forgotten() {
        let now = Instant::now();
        let mut scale = scale(1, 3);
        scale.grow(1, 1, now);
        let first = now + pause(&mut scale, now);
        scale.grow(1, 1, first);
        let later = first + FORGET * COOLDOWN;
        scale.grow(1, 1, later);
        assert_eq!(pause(&mut scale, later), COOLDOWN);
    }

    #[test]
    fn new_bounds_do_not_wait() {
        let now = Instant::now();
        let mut scale = scale(2, 4);
        scale.grow(9, 1, now);
        scale.resize(1, 3, now);
        assert_eq!(scale.target(), 3);
        scale.resize(5, 5, now);
        assert_eq!(scale.target(), 5);
    }
}
