//! Decimal numbers, as exact as their text; knows no arithmetic.

use std::fmt;
use std::str::FromStr;

use super::ValueError;

/// A decimal number, as Python's `decimal` writes it: `1.10`, `-2E+3`, `NaN`, `Infinity`.
///
/// The text is kept as it is, so `1.1` and `1.10` are different.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal(Box<str>);

impl Decimal {
    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Decimal {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        if is_special(unsigned) || is_number(unsigned) {
            Ok(Self(text.into()))
        } else {
            Err(ValueError::new(
                "a decimal is written like `-12.50`, `1E+3`, `NaN` or `Infinity`",
            ))
        }
    }
}

fn is_special(text: &str) -> bool {
    let payload = text
        .strip_prefix("sNaN")
        .or_else(|| text.strip_prefix("NaN"));
    text == "Infinity" || payload.is_some_and(is_digits)
}

fn is_number(text: &str) -> bool {
    let (number, exponent) = text.split_once(['E', 'e']).unwrap_or((text, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    is_digits(whole)
        && is_digits(fraction)
        && whole.len() + fraction.len() > 0
        && is_digits(exponent)
        && !exponent.is_empty()
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_writes_is_kept_as_it_is() {
        for text in [
            "0",
            "-0",
            "1.10",
            "0.001",
            "1E+5",
            "-1.5E-7",
            ".5",
            "5.",
            "NaN",
            "-sNaN12",
            "-Infinity",
        ] {
            assert_eq!(text.parse::<Decimal>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "", ".", "-", "1E", "1.2.3", "1,5", "E5", "--1", "nan", "Inf", " 1", "1E5E5",
        ] {
            assert!(text.parse::<Decimal>().is_err(), "{text:?}");
        }
    }
}
