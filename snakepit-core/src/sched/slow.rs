//! Calls that run for longer than they should; knows no worker. Costs a running call nothing but the time it started:
//! they are looked through once in a while.

use std::time::{Duration, Instant};

use super::{Action, Hold, Running};
use crate::ids::{CallId, NumberMap};

/// When to look for slow calls.
#[derive(Debug)]
pub(super) struct Slow {
    after: Option<Duration>,
    /// `None` while no call can be slow.
    look_at: Option<Instant>,
}

impl Slow {
    pub(super) fn new(after: Option<Duration>) -> Self {
        Self {
            after,
            look_at: None,
        }
    }

    pub(super) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// A call was started.
    pub(super) fn started(&mut self, now: Instant) {
        if let (Some(after), None) = (self.after, self.look_at) {
            self.look_at = Some(now + after);
        }
    }

    /// Tells of each call that has become slow, once.
    pub(super) fn scan(
        &mut self,
        running: &mut NumberMap<CallId, Running>,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let (Some(after), Some(look_at)) = (self.after, self.look_at) else {
            return;
        };
        if look_at > now {
            return;
        }
        let mut oldest = None;
        for (call, running) in running
            .iter_mut()
            .filter(|(_, running)| running.hold == Hold::Working)
        {
            let ran = now.saturating_duration_since(running.since);
            if ran >= after {
                running.hold = Hold::Slow;
                out.push(Action::Slow {
                    call: *call,
                    worker: running.worker,
                    lane: running.lane,
                    running: ran,
                });
            } else {
                oldest = oldest.into_iter().chain([running.since]).min();
            }
        }
        // A pool of many lanes is not looked through for each of its calls, at the price of telling a little late.
        self.look_at = oldest.map(|since| (since + after).max(now + after / 16));
    }
}
