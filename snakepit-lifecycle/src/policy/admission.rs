//! Whether a worker that has just started leaves a limit on memory any room. Knows no policy.

use snakepit_core::Usage;

use super::words;

/// Refuses a limit that is not above what a worker uses before its first call by a tenth: every worker would be replaced
/// as soon as it has done anything.
pub(super) fn judge(key: &str, limit: u64, boot: &Usage) -> Result<(), String> {
    let least = boot.private.saturating_add(boot.private / 10);
    if limit >= least {
        return Ok(());
    }
    Err(format!(
        "`{key}` is {}, and a worker that has just started uses {} already: allow {} or more",
        words::memory(limit),
        words::memory(boot.private),
        words::memory(least)
    ))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_limit_must_be_a_tenth_above_what_a_worker_starts_with() {
        let boot = Usage::new(Instant::now(), 100 << 20, Duration::ZERO);
        assert_eq!(judge("worker_max_memory", 110 << 20, &boot), Ok(()));
        assert_eq!(
            judge("worker_max_memory", 50 << 20, &boot).unwrap_err(),
            "`worker_max_memory` is 50MiB, and a worker that has just started uses 100MiB already: allow 110MiB or more"
        );
    }
}
