//! A day and a time of day, perhaps in a zone; knows no zone database.

use std::fmt;
use std::str::FromStr;

use super::{Date, Offset, Time, mark};
use crate::value::ValueError;

/// A day and a time of day, with an offset from UTC and the key of a zone if they are known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DateTime {
    date: Date,
    time: Time,
    zone: Option<Box<str>>,
}

impl DateTime {
    /// A day and a time of day; the offset is that of the time.
    pub const fn new(date: Date, time: Time) -> Self {
        Self {
            date,
            time,
            zone: None,
        }
    }

    /// In a zone, such as `Europe/Paris`. The key is not looked up.
    pub fn with_zone(self, key: &str) -> Result<Self, ValueError> {
        let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '[' | ']');
        if key.is_empty() || !key.chars().all(fits) {
            return Err(ValueError::new(
                "the key of a zone is written like `Europe/Paris`",
            ));
        }
        Ok(Self {
            zone: Some(key.into()),
            ..self
        })
    }

    /// The day.
    pub const fn date(&self) -> Date {
        self.date
    }

    /// The time of day.
    pub const fn time(&self) -> Time {
        self.time
    }

    /// The offset from UTC, if it is known.
    pub const fn offset(&self) -> Option<Offset> {
        self.time.offset()
    }

    /// The key of the zone, if it is known.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    fn scan(text: &str) -> Option<Result<Self, ValueError>> {
        let (text, zone) = match text.strip_suffix(']') {
            Some(text) => text
                .rsplit_once('[')
                .map(|(text, zone)| (text, Some(zone)))?,
            None => (text, None),
        };
        let mut rest = text;
        let date = Date::scan(&mut rest)?;
        mark(&mut rest, 'T').or_else(|| mark(&mut rest, ' '))?;
        let time = Time::scan(&mut rest)?;
        if !rest.is_empty() {
            return None;
        }
        let plain = date.and_then(|date| Ok(Self::new(date, time?)));
        Some(match zone {
            Some(zone) => plain.and_then(|plain| plain.with_zone(zone)),
            None => plain,
        })
    }
}

impl fmt::Display for DateTime {
    /// Writes `2026-11-22T12:30:00+01:00[Europe/Paris]`; what is not there is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{}", self.date, self.time)?;
        self.zone().map_or(Ok(()), |zone| write!(f, "[{zone}]"))
    }
}

impl FromStr for DateTime {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Self::scan(text).unwrap_or_else(|| {
            Err(ValueError::new(
                "a date and time are written like `2026-11-22T12:30:00+01:00`",
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back() {
        for text in [
            "2026-11-22T12:30:00",
            "2026-11-22T12:30:00.000001+01:00",
            "2026-11-22T12:30:00+01:00[Europe/Paris]",
            "2026-11-22T12:30:00[Etc/GMT+1]",
        ] {
            assert_eq!(text.parse::<DateTime>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_space_may_stand_for_the_t() {
        let date_time: DateTime = "2026-11-22 12:30Z".parse().unwrap();
        assert_eq!(date_time.to_string(), "2026-11-22T12:30:00+00:00");
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T",
            "2026-11-31T00:00",
            "2026-11-22T12:30[]",
            "2026-11-22T12:30[a b]",
            "2026-11-22T12:30[a]b]",
        ] {
            assert!(text.parse::<DateTime>().is_err(), "{text:?}");
        }
    }
}
