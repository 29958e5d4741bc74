//! The policies, one module each. Pure: they judge what they are shown, and know no process.

mod admission;
mod growth;
mod hang;
mod hard_memory;
mod idle;
mod jitter;
mod max_memory;
mod max_requests;
mod over;
mod ttl;
mod words;

pub use growth::Growth;
pub use hang::Hang;
pub use hard_memory::HardMemory;
pub use idle::Idle;
pub(crate) use max_memory::MOST_SAMPLES;
pub use max_memory::MaxMemory;
pub use max_requests::MaxRequests;
pub use ttl::Ttl;

/// By how much a limit differs from worker to worker, so that workers born together are not replaced together.
///
/// Which worker gets which part of it follows from its id and the seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter {
    share: f64,
    seed: u64,
}

impl Default for Jitter {
    /// A tenth.
    fn default() -> Self {
        Self::percent(10)
    }
}

impl Jitter {
    /// Up to so many hundredths of the limit, at most 50.
    pub fn percent(percent: u8) -> Self {
        Self {
            share: f64::from(percent.min(50)) / 100.0,
            seed: 0,
        }
    }

    /// None: every worker has the same limit.
    pub fn none() -> Self {
        Self::percent(0)
    }

    /// With a seed, so that pools started together differ.
    pub fn seeded(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}
