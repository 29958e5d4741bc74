//! A little randomness for delays, so that pools that failed together do not retry together; knows no clock.

use std::time::Duration;

/// A xorshift generator.
#[derive(Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        // The generator stays at zero for ever if it starts there.
        Self(seed | 1)
    }

    /// Between 80 and 120 percent of `delay`.
    pub(super) fn spread(&mut self, delay: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let percent = 80 + u32::try_from(self.0 % 41).unwrap_or(0);
        delay * percent / 100
    }
}
