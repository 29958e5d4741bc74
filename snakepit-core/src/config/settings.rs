//! The keys of a pool that become its [`PoolSettings`]. Knows neither profiles' keys nor policies'.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Deserialize as Derive, Serialize};

use super::scalar::{Bounded, ByteSize, HumanDuration};
use super::section::Section;
use crate::limits::Limits;
use crate::pool::PoolSettings;

/// How many workers.
type Workers = Bounded<1, 10_000>;

/// Less memory than that, and no interpreter starts.
const LEAST_MEMORY: u64 = 4 << 20;

pub(super) fn read_settings(section: &mut Section<'_>) -> PoolSettings {
    let default = PoolSettings::default();
    let (size, max_size) = read_size(section, &default);
    let queue_size = Bounded::<0, 10_000_000>::clamped(default.queue_size as u64);
    let max_sessions = Bounded::<1, 10_000_000>::clamped(default.max_sessions as u64);
    let state_limit = ByteSize::new(default.session_state_limit);
    let threshold = Bounded::<1, 1000>::clamped(default.poison_threshold.into());
    let mut scale = |key, default| match max_size {
        Some(_) => section.or(key, HumanDuration::from(default)).get(),
        // Without a default, which could not be given either.
        None => section
            .optional::<HumanDuration>(key)
            .map_or(default, HumanDuration::get),
    };
    let scale_up_after = scale("scale_up_after", default.scale_up_after);
    let scale_cooldown = scale("scale_cooldown", default.scale_cooldown);
    let mut time = |key, default| section.or(key, HumanDuration::from(default)).get();
    let settings = PoolSettings {
        size,
        max_size,
        scale_up_after,
        scale_cooldown,
        queue_timeout: time("queue_timeout", default.queue_timeout),
        request_timeout: time("request_timeout", default.request_timeout),
        startup_timeout: time("startup_timeout", default.startup_timeout),
        cooperative_grace: time("cooperative_grace", default.cooperative_grace),
        cancel_grace: time("cancel_grace", default.cancel_grace),
        quarantine_grace: time("quarantine_grace", default.quarantine_grace),
        stop_grace: time("stop_grace", default.stop_grace),
        session_drain: time("session_drain", default.session_drain),
        session_ttl: time("session_ttl", default.session_ttl),
        restart_window: time("restart_window", default.restart_window),
        slow_call_after: section
            .optional::<HumanDuration>("slow_call_after")
            .map(HumanDuration::get),
        max_concurrent_recycles: section
            .optional::<Workers>("max_concurrent_recycles")
            .map(Bounded::as_usize),
        restart_budget: section
            .optional::<Bounded<1, 1_000_000>>("restart_budget")
            .map(Bounded::as_u32),
        session_affinity: section.or("session_affinity", default.session_affinity),
        max_sessions: section.or("max_sessions", max_sessions).as_usize(),
        session_state_limit: section.or("session_state_limit", state_limit).get(),
        queue_size: section.or("queue_size", queue_size).as_usize(),
        poison_threshold: section.or("poison_threshold", threshold).as_u32(),
        limits: read_limits(section),
    };
    check(section, &settings);
    settings
}

/// Times that must not be zero, and why.
fn check(section: &mut Section<'_>, settings: &PoolSettings) {
    let no_call = "expected more than nothing: no call could ever be in time";
    let never_zero = [
        ("request_timeout", Some(settings.request_timeout), no_call),
        ("startup_timeout", Some(settings.startup_timeout), no_call),
        (
            "restart_window",
            Some(settings.restart_window),
            "expected more than nothing: no worker dies in no time",
        ),
        (
            "session_ttl",
            Some(settings.session_ttl),
            "expected more than nothing: no session could have a second call",
        ),
        (
            "slow_call_after",
            settings.slow_call_after,
            "expected more than nothing: every call takes some time",
        ),
    ];
    for (key, time, why) in never_zero {
        if time.is_some_and(|time| time.is_zero()) {
            section.invalid(key, why);
        }
    }
    if settings.max_size.is_none() {
        for key in ["scale_up_after", "scale_cooldown"] {
            if section.has(key) {
                let help = "write `pool_size: {min: 1, max: 4}`, or remove the key";
                section.invalid_with_help(key, "the size of this pool never changes", help);
            }
        }
    }
    let most = settings.max_size.unwrap_or(settings.size);
    if settings
        .max_concurrent_recycles
        .is_some_and(|recycles| recycles > most)
    {
        let label = format!("must not be more than the {most} workers of the pool");
        section.invalid("max_concurrent_recycles", label);
    }
}

fn read_size(section: &mut Section<'_>, default: &PoolSettings) -> (usize, Option<usize>) {
    let size = PoolSize::Fixed(Workers::clamped(default.size as u64));
    match section.or("pool_size", size) {
        PoolSize::Fixed(size) => (size.as_usize(), None),
        PoolSize::Between { min, max } if min > max => {
            let label = format!("`min` of {} is more than `max` of {}", min.get(), max.get());
            section.invalid("pool_size", label);
            (min.as_usize(), None)
        }
        PoolSize::Between { min, max } => (min.as_usize(), Some(max.as_usize())),
    }
}

fn read_limits(section: &mut Section<'_>) -> Limits {
    let hard_memory = section.optional::<ByteSize>("worker_hard_memory");
    let limits: ResourceLimits = section.optional("rlimits").unwrap_or_default();
    if hard_memory.is_some_and(|limit| limit.get() < LEAST_MEMORY) {
        let label = format!("expected at least {}", ByteSize::new(LEAST_MEMORY));
        section.invalid("worker_hard_memory", label);
    }
    let too_small = limits
        .address_space
        .is_some_and(|limit| limit.get() < LEAST_MEMORY);
    if too_small {
        let label = format!("expected `as` of at least {}", ByteSize::new(LEAST_MEMORY));
        section.invalid("rlimits", label);
    }
    Limits {
        hard_memory: hard_memory.map(ByteSize::get),
        open_files: limits.open_files.map(Bounded::get),
        core_dump: limits.core_dump.map(ByteSize::get),
        address_space: limits.address_space.map(ByteSize::get),
    }
}

/// `rlimits`.
#[derive(Default, Derive)]
#[serde(deny_unknown_fields)]
struct ResourceLimits {
    /// A worker that can open fewer files cannot start.
    #[serde(rename = "nofile")]
    open_files: Option<Bounded<16, 1_000_000_000>>,
    #[serde(rename = "core")]
    core_dump: Option<ByteSize>,
    #[serde(rename = "as")]
    address_space: Option<ByteSize>,
}

/// `pool_size`: a number, or `{min, max}`.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum PoolSize {
    Fixed(Workers),
    Between { min: Workers, max: Workers },
}

impl<'de> Deserialize<'de> for PoolSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Derive)]
        #[serde(deny_unknown_fields)]
        struct Bounds {
            min: Workers,
            max: Workers,
        }

        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = PoolSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 1 to 10000, or `{min: 1, max: 4}`")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<PoolSize, E> {
                let workers = Workers::clamped(number);
                if workers.get() == number {
                    Ok(PoolSize::Fixed(workers))
                } else {
                    Err(E::invalid_value(de::Unexpected::Unsigned(number), &self))
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PoolSize, A::Error> {
                let Bounds { min, max } = Bounds::deserialize(MapAccessDeserializer::new(map))?;
                Ok(PoolSize::Between { min, max })
            }
        }

        deserializer.deserialize_any(Reader)
    }
}
