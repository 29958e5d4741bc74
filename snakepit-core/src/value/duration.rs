//! Spans of time to the microsecond, positive and negative; knows no clock.

use std::fmt;
use std::str::FromStr;
use std::time;

use super::ValueError;

const MICROSECONDS_PER_SECOND: i128 = 1_000_000;
const MICROSECONDS_PER_DAY: i128 = 86_400 * MICROSECONDS_PER_SECOND;
const MOST_DAYS: i32 = 999_999_999;

/// A span of time, as Python's `timedelta`: days of either sign, then seconds and microseconds of that day.
///
/// Minus one microsecond is day -1, second 86,399, microsecond 999,999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration {
    days: i32,
    seconds: u32,
    microseconds: u32,
}

impl Duration {
    /// A span of normalised parts: at most 999,999,999 days either way, less than a day of seconds, less than a second
    /// of microseconds.
    pub fn new(days: i32, seconds: u32, microseconds: u32) -> Result<Self, ValueError> {
        let days_fit = days.unsigned_abs() <= MOST_DAYS.unsigned_abs();
        if days_fit && seconds < 86_400 && microseconds < 1_000_000 {
            Ok(Self {
                days,
                seconds,
                microseconds,
            })
        } else {
            Err(ValueError::new(format!(
                "{days} days, {seconds} s and {microseconds} us are no normalised duration"
            )))
        }
    }

    /// A span of so many microseconds, if it is not too long.
    pub fn from_microseconds(total: i128) -> Result<Self, ValueError> {
        let too_long = || ValueError::new("a duration is shorter than a thousand million days");
        let days = i32::try_from(total.div_euclid(MICROSECONDS_PER_DAY)).map_err(|_| too_long())?;
        let rest = total.rem_euclid(MICROSECONDS_PER_DAY);
        let part = |number: i128| u32::try_from(number).map_err(|_| too_long());
        let seconds = part(rest / MICROSECONDS_PER_SECOND)?;
        Self::new(days, seconds, part(rest % MICROSECONDS_PER_SECOND)?).map_err(|_| too_long())
    }

    /// The whole days, rounded towards the past.
    pub const fn days(self) -> i32 {
        self.days
    }

    /// The seconds after those days, less than a day.
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// The microseconds after those seconds, less than a second.
    pub const fn microseconds(self) -> u32 {
        self.microseconds
    }

    /// All of it in microseconds.
    pub fn total_microseconds(self) -> i128 {
        i128::from(self.days) * MICROSECONDS_PER_DAY
            + i128::from(self.seconds) * MICROSECONDS_PER_SECOND
            + i128::from(self.microseconds)
    }
}

impl fmt::Display for Duration {
    /// Writes ISO 8601, `P1DT3600.5S`, with a `-` in front if it is negative.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total_microseconds();
        let size = total.abs();
        let (days, rest) = (size / MICROSECONDS_PER_DAY, size % MICROSECONDS_PER_DAY);
        let (seconds, microseconds) = (
            rest / MICROSECONDS_PER_SECOND,
            rest % MICROSECONDS_PER_SECOND,
        );
        write!(f, "{}P", if total < 0 { "-" } else { "" })?;
        if days > 0 {
            write!(f, "{days}D")?;
        }
        match (seconds, microseconds) {
            (0, 0) if days > 0 => Ok(()),
            (_, 0) => write!(f, "T{seconds}S"),
            _ => {
                let fraction = format!("{microseconds:06}");
                write!(f, "T{seconds}.{}S", fraction.trim_end_matches('0'))
            }
        }
    }
}

impl FromStr for Duration {
    type Err = ValueError;

    /// Reads ISO 8601 with days, hours, minutes and seconds: `P1DT2H3M4.5S`.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        match scan(text) {
            Some(total) => Self::from_microseconds(total),
            None => Err(ValueError::new("a duration is written like `P1DT2H3M4.5S`")),
        }
    }
}

fn scan(text: &str) -> Option<i128> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let rest = rest.strip_prefix('P')?;
    let (mut date, time) = match rest.split_once('T') {
        Some((date, time)) if !time.is_empty() => (date, time),
        None if !rest.is_empty() => (rest, ""),
        _ => return None,
    };
    let mut time = time;
    let total = part(&mut date, 'D')? * MICROSECONDS_PER_DAY
        + part(&mut time, 'H')? * 3600 * MICROSECONDS_PER_SECOND
        + part(&mut time, 'M')? * 60 * MICROSECONDS_PER_SECOND
        + seconds(time)?;
    date.is_empty().then_some(sign * total)
}

/// Reads a number in front of a unit off the front of a text; zero if the unit is not there.
fn part(text: &mut &str, unit: char) -> Option<i128> {
    match text.split_once(unit) {
        Some((number, rest)) => {
            *text = rest;
            whole(number)
        }
        None => Some(0),
    }
}

fn seconds(text: &str) -> Option<i128> {
    if text.is_empty() {
        return Some(0);
    }
    let number = text.strip_suffix('S')?;
    let (number, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if !matches!(fraction.len(), 1..=6) {
        return None;
    }
    Some(whole(number)? * MICROSECONDS_PER_SECOND + whole(&format!("{fraction:0<6}"))?)
}

/// A whole number of at most eighteen digits, which no unit makes overflow.
fn whole(text: &str) -> Option<i128> {
    let fits = matches!(text.len(), 1..=18) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

impl TryFrom<time::Duration> for Duration {
    type Error = ValueError;

    /// Nanoseconds are rounded down to microseconds.
    fn try_from(duration: time::Duration) -> Result<Self, ValueError> {
        let total = i128::try_from(duration.as_micros()).unwrap_or(i128::MAX);
        Self::from_microseconds(total)
    }
}

impl TryFrom<Duration> for time::Duration {
    type Error = ValueError;

    fn try_from(duration: Duration) -> Result<Self, ValueError> {
        let days = u64::try_from(duration.days)
            .map_err(|_| ValueError::new("the duration is negative"))?;
        let seconds = days * 86_400 + u64::from(duration.seconds);
        Ok(Self::new(seconds, duration.microseconds * 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back() {
        for (parts, text) in [
            ((0, 0, 0), "PT0S"),
            ((1, 0, 0), "P1D"),
            ((1, 3661, 5), "P1DT3661.000005S"),
            ((0, 1, 500_000), "PT1.5S"),
            ((-1, 86_399, 999_999), "-PT0.000001S"),
            ((-999_999_999, 0, 0), "-P999999999D"),
        ] {
            let duration = Duration::new(parts.0, parts.1, parts.2).unwrap();
            assert_eq!(duration.to_string(), text);
            assert_eq!(text.parse(), Ok(duration));
        }
        assert_eq!("PT1H1M1S".parse(), Duration::new(0, 3661, 0));
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "P",
            "PT",
            "P1DT",
            "1D",
            "P1",
            "P1M",
            "PT1M1H",
            "PT1.S",
            "PT1.1234567S",
            "P1000000000D",
            "PT-1S",
            "PT1S1S",
        ] {
            assert!(text.parse::<Duration>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn parts_must_be_normalised() {
        assert!(Duration::new(0, 86_400, 0).is_err());
        assert!(Duration::new(0, 0, 1_000_000).is_err());
        assert!(Duration::new(1_000_000_000, 0, 0).is_err());
    }

    #[test]
    fn standard_durations_convert_unless_negative() {
        let standard = time::Duration::from_micros(86_400_000_001);
        let duration = Duration::try_from(standard).unwrap();
        assert_eq!(duration, Duration::new(1, 0, 1).unwrap());
        assert_eq!(time::Duration::try_from(duration), Ok(standard));
        assert!(time::Duration::try_from(Duration::from_microseconds(-1).unwrap()).is_err());
    }
}
