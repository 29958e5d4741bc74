//! Durations such as `1h30m`. Knows no key.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

use super::split_number;

/// A duration such as `250ms`, `5s`, `2d` or `1h30m`.
///
/// A bare number is refused: nobody remembers whether it means seconds or milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(Duration);

/// Largest first, which is also the order they must be written in.
const TIME_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

const DURATION: &str = "a duration such as `250ms`, `5s`, `1h30m` or `2d`";

impl HumanDuration {
    /// The duration itself.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// Reads `1h30m` and the like; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut units = TIME_UNITS.iter();
        let mut milliseconds = 0_u64;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let (number, after) = split_number(rest)?;
            let end = after
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(after.len());
            let (unit, next) = after.split_at(end);
            let (_, factor) = units.find(|(name, _)| *name == unit)?;
            milliseconds = milliseconds.checked_add(number.checked_mul(*factor)?)?;
            rest = next;
        }
        Some(Self(Duration::from_millis(milliseconds)))
    }
}

impl From<Duration> for HumanDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<HumanDuration> for Duration {
    fn from(duration: HumanDuration) -> Self {
        duration.0
    }
}

/// The form [`HumanDuration::parse`] reads; anything below a millisecond is cut off.
impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, factor) in TIME_UNITS {
            let count = rest / factor;
            rest %= factor;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = HumanDuration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(DURATION)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<HumanDuration, E> {
                let unexpected = format!("the number `{number}` without a unit");
                Err(E::invalid_value(Unexpected::Other(&unexpected), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<HumanDuration, E> {
                HumanDuration::parse(text)
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_the_same_way() {
        for (text, milliseconds, written) in [
            ("250ms", 250, "250ms"),
            ("5s", 5000, "5s"),
            ("30m", 1_800_000, "30m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("2d", 172_800_000, "2d"),
            ("90s", 90_000, "1m30s"),
            ("0s", 0, "0s"),
        ] {
            let duration = HumanDuration::parse(text).unwrap();
            assert_eq!(
                duration.get(),
                Duration::from_millis(milliseconds),
                "{text}"
            );
            assert_eq!(duration.to_string(), written);
        }
    }

    #[test]
    fn durations_that_could_be_misread_are_refused() {
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "1.5s",
            "-5s",
            "5s5s",
            "30m1h",
            "5sec",
            "99999999999999999999s",
        ] {
            assert_eq!(HumanDuration::parse(text), None, "{text}");
        }
    }
}
