//! A day of the calendar; knows no time of day.

use std::fmt;
use std::str::FromStr;

use super::{digits, mark};
use crate::value::ValueError;

/// A day of the Gregorian calendar, in the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// A date, if there is such a day.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, ValueError> {
        let exists = matches!(year, 1..=9999) && day >= 1 && day <= days_in(year, month);
        exists.then_some(Self { year, month, day }).ok_or_else(|| {
            ValueError::new(format!("there is no day {year:04}-{month:02}-{day:02}"))
        })
    }

    /// The year, from 1.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// The month, from 1.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    pub const fn day(self) -> u8 {
        self.day
    }

    /// Reads a date off the front of a text.
    pub(super) fn scan(text: &mut &str) -> Option<Result<Self, ValueError>> {
        let year = digits(text, 4)?;
        mark(text, '-')?;
        let month = digits(text, 2)?;
        mark(text, '-')?;
        let day = digits(text, 2)?;
        Some(Self::new(
            year.try_into().ok()?,
            month.try_into().ok()?,
            day.try_into().ok()?,
        ))
    }
}

fn days_in(year: u16, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 0,
    }
}

impl fmt::Display for Date {
    /// Writes `2026-11-22`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl FromStr for Date {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut rest = text;
        match Self::scan(&mut rest) {
            Some(date) if rest.is_empty() => date,
            _ => Err(ValueError::new("a date is written like `2026-11-22`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back() {
        for text in ["0001-01-01", "2024-02-29", "9999-12-31"] {
            assert_eq!(text.parse::<Date>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-04-31",
            "0000-01-01",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "2024-1-1",
            "2024-01-01T",
            "+024-01-01",
            "20240101",
            "２０24-01-01",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text:?}");
        }
    }
}
