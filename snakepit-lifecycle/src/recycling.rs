//! Reads the policies of a pool from its configuration. Knows the keys, and no worker.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use snakepit_core::config::Section;
use snakepit_core::config::scalar::{Bounded, ByteSize, HumanDuration};
use snakepit_core::{Meter, PolicyFactory, PoolSettings, RecyclePolicy};

use crate::keys::{Limit, Percent};
use crate::policy::{
    Growth, Hang, HardMemory, Idle, Jitter, MOST_SAMPLES, MaxMemory, MaxRequests, Ttl,
};
use crate::sampler::{Sampler, Unmeasurable};

/// How long a worker may be silent and do nothing, unless set: long beside any pause of a healthy process, short beside
/// the patience of whoever waits for its calls.
const HANG_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a spare worker of a pool that may shrink stays, unless set.
const IDLE_TTL: Duration = Duration::from_secs(60);

/// What to do about a limit that cannot hold.
const OFF: &str = "write `off`, or make /proc readable";

/// The policies of this crate, for a [`Registry`](snakepit_core::Registry).
///
/// | key | default | a worker is |
/// |---|---|---|
/// | `worker_ttl` | `off` | replaced when it has been ready for so long |
/// | `worker_max_requests` | `off` | replaced when it has finished so many calls |
/// | `worker_idle_ttl` | `60s`; `off` in a pool of one size | ended when it was idle for so long and is spare |
/// | `worker_max_memory` | `off` | replaced when its private memory is over it |
/// | `worker_max_growth` | `off` | replaced when its private memory has grown by more since its first call |
/// | `worker_memory_samples` | 3 | over these limits when so many readings in a row are, one each second |
/// | `worker_hard_memory` | none | killed when its private memory is over it, where no control group sees to that |
/// | `hang_timeout` | `60s` | killed when it was silent for so long and used no processor meanwhile |
/// | `recycle_jitter` | `10%` | treated a little differently from its neighbours in the first two |
///
/// One [`Sampler`] measures the workers of all pools.
#[derive(Debug)]
pub struct Recycling {
    sampler: Arc<Sampler>,
}

impl Default for Recycling {
    fn default() -> Self {
        Self::new()
    }
}

impl Recycling {
    /// The policies, with a sampler of their own.
    pub fn new() -> Self {
        Self::with_sampler(Arc::default())
    }

    /// The policies, with a sampler that others use, too.
    pub fn with_sampler(sampler: Arc<Sampler>) -> Self {
        Self { sampler }
    }
}

impl PolicyFactory for Recycling {
    fn build(
        &self,
        section: &mut Section<'_>,
        settings: &PoolSettings,
    ) -> Vec<Arc<dyn RecyclePolicy>> {
        let keys = Keys::read(section, settings);
        keys.check(section, settings);
        if let Err(why) = self.sampler.check() {
            keys.report_unmeasurable(section, settings, &why);
        }
        // Random, and another one for each pool.
        let seed = RandomState::new().hash_one(());
        keys.policies(settings, seed)
    }

    fn meter(&self) -> Option<Arc<dyn Meter>> {
        Some(Arc::clone(&self.sampler) as Arc<dyn Meter>)
    }
}

/// What a pool says.
struct Keys {
    ttl: Option<Duration>,
    max_requests: Option<u64>,
    idle_ttl: Option<Duration>,
    max_memory: Option<u64>,
    max_growth: Option<u64>,
    samples: usize,
    hang_timeout: Option<Duration>,
    jitter: u8,
}

impl Keys {
    fn read(section: &mut Section<'_>, settings: &PoolSettings) -> Self {
        let time = |section: &mut Section<'_>, key: &str, default: Option<Duration>| {
            let default = default.map_or(Limit::Off, |time| Limit::At(HumanDuration::from(time)));
            section.or(key, default).get().map(HumanDuration::get)
        };
        let size = |section: &mut Section<'_>, key: &str| {
            section
                .or(key, Limit::<ByteSize>::Off)
                .get()
                .map(ByteSize::get)
        };
        let requests = Limit::<Bounded<1, { u32::MAX as u64 }>>::Off;
        Self {
            ttl: time(section, Ttl::NAME, None),
            max_requests: section
                .or(MaxRequests::NAME, requests)
                .get()
                .map(Bounded::get),
            idle_ttl: time(section, Idle::NAME, shrinks(settings).then_some(IDLE_TTL)),
            max_memory: size(section, MaxMemory::NAME),
            max_growth: size(section, Growth::NAME),
            samples: section
                .or(
                    "worker_memory_samples",
                    Bounded::<1, { MOST_SAMPLES as u64 }>::clamped(3),
                )
                .as_usize(),
            hang_timeout: time(section, Hang::NAME, Some(HANG_TIMEOUT)),
            jitter: section.or("recycle_jitter", Percent(10)).0,
        }
    }

    /// Reports what cannot be meant.
    fn check(&self, section: &mut Section<'_>, settings: &PoolSettings) {
        let none = "write `off` for no limit";
        for (key, zero, label) in [
            (
                Ttl::NAME,
                self.ttl == Some(Duration::ZERO),
                "expected more than nothing: no worker could serve a call",
            ),
            (
                Idle::NAME,
                self.idle_ttl == Some(Duration::ZERO),
                "expected more than nothing: no spare worker could wait for a call",
            ),
            (
                MaxMemory::NAME,
                self.max_memory == Some(0),
                "expected more than nothing: every worker uses memory",
            ),
            (
                Growth::NAME,
                self.max_growth == Some(0),
                "expected more than nothing: no worker uses the same memory all the time",
            ),
        ] {
            if zero {
                section.invalid_with_help(key, label, none);
            }
        }
        if self
            .hang_timeout
            .is_some_and(|timeout| timeout < Hang::LEAST)
        {
            let label =
                "expected `500ms` or more: a worker that waits for a processor would look dead";
            section.invalid_with_help(Hang::NAME, label, none);
        }
        if section.has(Idle::NAME) && self.idle_ttl.is_some() && !shrinks(settings) {
            let label = "the pool has one size: none of its workers is spare";
            let help = "write `pool_size: {min: 1, max: 4}`, or remove the key";
            section.invalid_with_help(Idle::NAME, label, help);
        }
        if let (Some(soft), Some(hard)) = (self.max_memory, settings.limits.hard_memory)
            && soft >= hard
        {
            let hard = ByteSize::new(hard);
            let label = format!("expected less than `{}`, which is {hard}", HardMemory::NAME);
            let help = "a worker is replaced in good order at the one, and killed at the other";
            section.invalid_with_help(MaxMemory::NAME, label, help);
        }
    }

    /// A limit that cannot hold is no limit. Where nobody has asked for one, its absence is no fault.
    fn report_unmeasurable(
        &self,
        section: &mut Section<'_>,
        settings: &PoolSettings,
        why: &Unmeasurable,
    ) {
        let hang = section.has(Hang::NAME) && self.hang_timeout.is_some();
        for (key, is_set, what, help) in [
            (MaxMemory::NAME, self.max_memory.is_some(), "memory", OFF),
            (Growth::NAME, self.max_growth.is_some(), "memory", OFF),
            (
                HardMemory::NAME,
                settings.limits.hard_memory.is_some(),
                "memory",
                "remove the key, or make /proc readable",
            ),
            (Hang::NAME, hang, "processor time", OFF),
        ] {
            if is_set {
                let label = format!("{what} cannot be measured here: {why}");
                section.invalid_with_help(key, label, help);
            }
        }
    }

    fn policies(&self, settings: &PoolSettings, seed: u64) -> Vec<Arc<dyn RecyclePolicy>> {
        let jitter = Jitter::percent(self.jitter).seeded(seed);
        let mut policies: Vec<Arc<dyn RecyclePolicy>> = Vec::new();
        // Killing first: what is dead need not be replaced in good order.
        if let Some(timeout) = self.hang_timeout {
            policies.push(Arc::new(Hang::new(timeout)));
        }
        if let Some(bytes) = settings.limits.hard_memory {
            policies.push(Arc::new(HardMemory::new(bytes)));
        }
        if let Some(bytes) = self.max_memory {
            policies.push(Arc::new(MaxMemory::new(bytes).samples(self.samples)));
        }
        if let Some(bytes) = self.max_growth {
            policies.push(Arc::new(Growth::new(bytes).samples(self.samples)));
        }
        if let Some(ttl) = self.ttl {
            policies.push(Arc::new(Ttl::new(ttl).jitter(jitter)));
        }
        if let Some(calls) = self.max_requests {
            policies.push(Arc::new(MaxRequests::new(calls).jitter(jitter)));
        }
        if let Some(ttl) = self.idle_ttl {
            policies.push(Arc::new(Idle::new(ttl)));
        }
        policies
    }
}

/// Whether a pool has sizes to choose from.
fn shrinks(settings: &PoolSettings) -> bool {
    settings.max_size.is_some_and(|max| max > settings.size)
}

#[cfg(test)]
mod tests {
    use snakepit_core::testing::FakeProfile;
    use snakepit_core::{Config, ProfileFactory, Registry, WorkerProfile};

    use super::*;

    /// Profiles and policies where nothing can be measured.
    struct Blind;

    impl ProfileFactory for Blind {
        fn kind(&self) -> &'static str {
            "process"
        }

        fn build(&self, _: &mut Section<'_>, _: &PoolSettings) -> Option<Arc<dyn WorkerProfile>> {
            Some(Arc::new(FakeProfile::new()))
        }
    }

    impl PolicyFactory for Blind {
        fn build(
            &self,
            section: &mut Section<'_>,
            settings: &PoolSettings,
        ) -> Vec<Arc<dyn RecyclePolicy>> {
            let why = Unmeasurable::Hidden("it is dark".to_owned());
            Keys::read(section, settings).report_unmeasurable(section, settings, &why);
            Vec::new()
        }
    }

    #[test]
    fn limits_that_cannot_hold_are_refused_if_somebody_has_asked_for_them() {
        let read = |line: &str| {
            let registry = Registry::new().with(Blind).with_policies(Blind);
            let text = format!("pools:\n  - name: a\n    {line}\n");
            Config::parse(&text, "pit.yaml", ".", &registry).map_err(|report| report.to_string())
        };
        for line in ["", "hang_timeout: off", "worker_max_memory: off"] {
            assert!(read(line).is_ok(), "{line}");
        }
        for line in [
            "worker_max_memory: 1GiB",
            "worker_max_growth: 1GiB",
            "worker_hard_memory: 1GiB",
            "hang_timeout: 60s",
        ] {
            let report = read(line).unwrap_err();
            assert!(report.contains("pit.yaml:3:"), "{report}");
            assert!(report.contains("it is dark"), "{report}");
            assert_eq!(report.matches("error:").count(), 1, "{report}");
        }
    }
}
