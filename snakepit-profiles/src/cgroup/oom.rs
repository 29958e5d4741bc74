//! Whether the kernel's out-of-memory killer struck, from its counters; pure, must not know where they are read.

use std::time::{Duration, Instant};

/// How long after a strike a death may be put down to it: as long as it takes to notice both.
const RECENT: Duration = Duration::from_secs(2);

/// How often the killer struck, from `memory.events` or `memory.oom_control`.
pub(super) fn kills(text: &str) -> Option<u64> {
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count?.trim().parse().ok()
}

/// What a counter of a group with many processes has shown.
#[derive(Debug, Default)]
pub(super) struct History {
    last: Option<u64>,
    strike: Option<Strike>,
}

#[derive(Debug)]
struct Strike {
    from: u64,
    to: u64,
    seen: Instant,
}

impl History {
    /// Takes a reading.
    pub(super) fn note(&mut self, count: u64, now: Instant) {
        if let Some(from) = self.last.replace(count).filter(|last| *last < count) {
            let recent = self.strike.take().filter(|strike| strike.is_recent(now));
            let from = recent.map_or(from, |strike| strike.from);
            self.strike = Some(Strike {
                from,
                to: count,
                seen: now,
            });
        }
    }

    /// What speaks for a process having been killed for want of memory just now.
    pub(super) fn evidence(&self, now: Instant) -> Option<String> {
        let strike = self
            .strike
            .as_ref()
            .filter(|strike| strike.is_recent(now))?;
        let Strike { from, to, .. } = strike;
        Some(format!(
            "the kernel's out-of-memory killer struck in this cgroup (oom_kill {from} -> {to})"
        ))
    }
}

impl Strike {
    fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.seen) < RECENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_count_strikes() {
        assert_eq!(
            kills("low 0\noom 2\noom_kill 3\noom_group_kill 1\n"),
            Some(3)
        );
        assert_eq!(
            kills("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"),
            Some(4)
        );
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\n"), None);
    }

    #[test]
    fn only_a_strike_of_this_moment_is_evidence() {
        let start = Instant::now();
        let mut history = History::default();
        history.note(3, start);
        assert_eq!(history.evidence(start), None);
        history.note(4, start + RECENT);
        let words = history.evidence(start + RECENT).unwrap();
        assert!(words.ends_with("(oom_kill 3 -> 4)"));
        // Two that died of the same strikes both say so.
        history.note(5, start + RECENT);
        history.note(5, start + RECENT);
        let words = history.evidence(start + RECENT).unwrap();
        assert!(words.ends_with("(oom_kill 3 -> 5)"));
        assert_eq!(history.evidence(start + 2 * RECENT), None);
    }
}
