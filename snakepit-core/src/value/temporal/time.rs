//! A time of day and an offset from UTC; knows no date.

use std::fmt;
use std::str::FromStr;

use super::{digits, mark};
use crate::value::ValueError;

/// A time of day, to the microsecond, with an offset from UTC if one is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Time {
    hour: u8,
    minute: u8,
    second: u8,
    microsecond: u32,
    offset: Option<Offset>,
}

impl Time {
    /// A time without an offset, if there is such a time. Leap seconds are not known.
    pub fn new(hour: u8, minute: u8, second: u8, microsecond: u32) -> Result<Self, ValueError> {
        if hour > 23 || minute > 59 || second > 59 || microsecond > 999_999 {
            return Err(ValueError::new(format!(
                "there is no time {hour:02}:{minute:02}:{second:02}.{microsecond:06}"
            )));
        }
        Ok(Self {
            hour,
            minute,
            second,
            microsecond,
            offset: None,
        })
    }

    /// The same time with an offset.
    pub const fn with_offset(self, offset: Option<Offset>) -> Self {
        Self { offset, ..self }
    }

    /// The hour, to 23.
    pub const fn hour(self) -> u8 {
        self.hour
    }

    /// The minute, to 59.
    pub const fn minute(self) -> u8 {
        self.minute
    }

    /// The second, to 59.
    pub const fn second(self) -> u8 {
        self.second
    }

    /// The microsecond, to 999,999.
    pub const fn microsecond(self) -> u32 {
        self.microsecond
    }

    /// The offset from UTC, if it is known.
    pub const fn offset(self) -> Option<Offset> {
        self.offset
    }

    /// Reads a time off the front of a text.
    pub(super) fn scan(text: &mut &str) -> Option<Result<Self, ValueError>> {
        let hour = digits(text, 2)?;
        mark(text, ':')?;
        let minute = digits(text, 2)?;
        let second = if mark(text, ':').is_some() {
            digits(text, 2)?
        } else {
            0
        };
        let microsecond = if mark(text, '.').is_some() {
            fraction(text)?
        } else {
            0
        };
        let offset = if text.is_empty() || text.starts_with('[') {
            None
        } else {
            Some(Offset::scan(text)?)
        };
        let [hour, minute, second] =
            [hour, minute, second].map(|part| u8::try_from(part).unwrap_or(u8::MAX));
        Some(Self::new(hour, minute, second, microsecond).map(|time| time.with_offset(offset)))
    }
}

/// Reads one to six digits as a fraction of a second, in microseconds.
fn fraction(text: &mut &str) -> Option<u32> {
    let width = text.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=6).contains(&width) {
        return None;
    }
    let number = digits(text, width)?;
    Some((width..6).fold(number, |number, _| number * 10))
}

impl fmt::Display for Time {
    /// Writes `12:30:00.000001+01:00`; what is not there is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second)?;
        if self.microsecond > 0 {
            write!(f, ".{:06}", self.microsecond)?;
        }
        self.offset.map_or(Ok(()), |offset| offset.fmt(f))
    }
}

impl FromStr for Time {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut rest = text;
        match Self::scan(&mut rest) {
            Some(time) if rest.is_empty() => time,
            _ => Err(ValueError::new(
                "a time is written like `12:30:00.000001` or `12:30+01:00`",
            )),
        }
    }
}

/// How far local time is ahead of UTC: less than a day, either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(i32);

impl Offset {
    /// No offset: UTC itself.
    pub const UTC: Self = Self(0);

    /// An offset of so many seconds, negative west of Greenwich.
    pub fn from_seconds(seconds: i32) -> Result<Self, ValueError> {
        if seconds.unsigned_abs() < 86_400 {
            Ok(Self(seconds))
        } else {
            Err(ValueError::new("an offset from UTC is shorter than a day"))
        }
    }

    /// The offset in seconds.
    pub const fn seconds(self) -> i32 {
        self.0
    }

    fn scan(text: &mut &str) -> Option<Self> {
        if mark(text, 'Z').is_some() {
            return Some(Self::UTC);
        }
        let sign = if mark(text, '-').is_some() {
            -1
        } else {
            mark(text, '+')?;
            1
        };
        let hours = digits(text, 2)?;
        mark(text, ':')?;
        let minutes = digits(text, 2)?;
        let seconds = if mark(text, ':').is_some() {
            digits(text, 2)?
        } else {
            0
        };
        if hours > 23 || minutes > 59 || seconds > 59 {
            return None;
        }
        let total = i32::try_from(hours * 3600 + minutes * 60 + seconds).ok()?;
        Self::from_seconds(sign * total).ok()
    }
}

impl fmt::Display for Offset {
    /// Writes `+01:00`, with seconds if there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let total = self.0.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", total / 3600, total / 60 % 60)?;
        if total.is_multiple_of(60) {
            Ok(())
        } else {
            write!(f, ":{:02}", total % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back() {
        for text in [
            "00:00:00",
            "23:59:59.999999",
            "12:30:00+01:00",
            "12:30:00.000001-11:59:59",
        ] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn short_forms_are_understood() {
        for (short, long) in [
            ("12:30", "12:30:00"),
            ("12:30:01.5", "12:30:01.500000"),
            ("12:30Z", "12:30:00+00:00"),
        ] {
            assert_eq!(short.parse::<Time>().unwrap().to_string(), long);
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "24:00",
            "12:60",
            "12:30:60",
            "12",
            "12:30:00.",
            "12:30:00.1234567",
            "12:30+24:00",
            "12:30 ",
            "12:30+1",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text:?}");
        }
    }
}
