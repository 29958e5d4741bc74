//! Which worker a session is bound to; knows no queue and no lane.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::ids::{SessionId, WorkerId};

#[derive(Debug)]
struct Pin {
    worker: WorkerId,
    expires: Instant,
}

/// Bindings of sessions to workers, forgotten when unused for a while.
#[derive(Debug)]
pub(super) struct Sessions {
    ttl: Duration,
    pins: HashMap<SessionId, Pin>,
    sweep_at: Option<Instant>,
}

impl Sessions {
    pub(super) fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            pins: HashMap::new(),
            sweep_at: None,
        }
    }

    /// How long an unused session is remembered.
    pub(super) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// The worker of the session, if it has one that has not expired. The worker may be gone: worker ids are never
    /// used twice, so the caller only has to look it up.
    pub(super) fn worker(&self, session: &SessionId, now: Instant) -> Option<WorkerId> {
        self.pins
            .get(session)
            .filter(|pin| pin.expires > now)
            .map(|pin| pin.worker)
    }

    /// Binds the session, or keeps its binding alive. Sweeping here, at most once per time-to-live, bounds the table
    /// by the sessions used within two of them.
    pub(super) fn pin(&mut self, session: &SessionId, worker: WorkerId, now: Instant) {
        if self.sweep_at.is_none_or(|at| at <= now) {
            self.pins.retain(|_, pin| pin.expires > now);
            self.sweep_at = Some(now + self.ttl);
        }
        let pin = Pin {
            worker,
            expires: now + self.ttl,
        };
        match self.pins.get_mut(session) {
            Some(old) => *old = pin,
            None => {
                self.pins.insert(session.clone(), pin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_sessions_are_forgotten() {
        let start = Instant::now();
        let ttl = Duration::from_secs(10);
        let mut sessions = Sessions::new(ttl);
        for number in 0..100 {
            sessions.pin(
                &SessionId::new(format!("s{number}")),
                WorkerId::new(1),
                start,
            );
        }
        assert_eq!(sessions.worker(&"s1".into(), start), Some(WorkerId::new(1)));
        assert_eq!(sessions.worker(&"s1".into(), start + ttl), None);
        sessions.pin(&"new".into(), WorkerId::new(2), start + ttl);
        assert_eq!(sessions.pins.len(), 1);
    }
}
