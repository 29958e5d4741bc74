//! How long one call may take, in all its attempts. Knows neither what a call is nor what its command says.

use std::time::{Duration, Instant};

use super::settings::FAR;

/// The time of one call.
#[derive(Clone, Copy)]
pub(super) struct TimeBudget {
    /// When it began.
    pub(super) began: Instant,
    /// When it last asked for a lane.
    pub(super) asked: Instant,
    /// When all of it has to be over.
    pub(super) deadline: Instant,
    /// The time between its begin and that.
    pub(super) allowed: Duration,
    /// Nothing was known of the command when it began: the first worker it gets may have told something since.
    pub(super) guessed: bool,
}

impl TimeBudget {
    /// Of a call that began then, with the timeout its caller or its command names, if that is known; `outer` is the
    /// deadline of the call it works for.
    pub(super) fn new(
        began: Instant,
        known: Option<Duration>,
        default: Duration,
        outer: Option<Instant>,
    ) -> Self {
        let timeout = known.unwrap_or(default);
        let own = began + timeout.min(FAR);
        // A tool has no more time than the call it works for.
        let (deadline, allowed) = match outer {
            Some(outer) if outer < own => (outer, outer.saturating_duration_since(began)),
            _ => (own, timeout),
        };
        Self {
            began,
            asked: began,
            deadline,
            allowed,
            guessed: known.is_none(),
        }
    }

    /// Takes over what was told of the command meanwhile. That it is asked for once is enough.
    pub(super) fn learn(&mut self, told: Self) {
        let asked = self.asked;
        *self = Self {
            asked,
            guessed: false,
            ..told
        };
    }
}
