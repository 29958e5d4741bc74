//! Integers of any size, as canonical decimal text; knows no arithmetic.

use std::fmt;
use std::str::FromStr;

use super::ValueError;

/// An integer of any size.
///
/// Held as canonical decimal text: no leading zeros, no `+`, no `-0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BigInt(Box<str>);

impl BigInt {
    /// The decimal digits, after a `-` if it is negative.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The integer, if it fits.
    pub fn to_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The integer, if it fits.
    pub fn to_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// The integer, if it fits.
    pub fn to_i128(&self) -> Option<i128> {
        self.0.parse().ok()
    }

    /// The integer, if it fits.
    pub fn to_u128(&self) -> Option<u128> {
        self.0.parse().ok()
    }

    /// The nearest float; an infinity if it is out of range.
    pub fn to_f64(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BigInt {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ValueError::new(
                "an integer has an optional sign and decimal digits",
            ));
        }
        let digits = digits.trim_start_matches('0');
        Ok(Self(match (negative, digits) {
            (_, "") => "0".into(),
            (true, digits) => format!("-{digits}").into(),
            (false, digits) => digits.into(),
        }))
    }
}

macro_rules! from_machine_integer {
    ($($int:ty)*) => {$(
        impl From<$int> for BigInt {
            fn from(number: $int) -> Self {
                Self(number.to_string().into())
            }
        }
    )*};
}

from_machine_integer!(i64 u64 i128 u128);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_made_canonical() {
        for (text, canonical) in [("007", "7"), ("+7", "7"), ("-0", "0"), ("-00120", "-120")] {
            assert_eq!(text.parse::<BigInt>().unwrap().as_str(), canonical);
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "-", "+-1", "1.0", "1_000", " 1", "0x10", "١"] {
            assert!(text.parse::<BigInt>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn machine_integers_fit_or_do_not() {
        let big = BigInt::from(u64::MAX);
        assert_eq!((big.to_i64(), big.to_u64()), (None, Some(u64::MAX)));
        let huge: BigInt = "-170141183460469231731687303715884105729".parse().unwrap();
        assert_eq!((huge.to_i128(), huge.to_u128()), (None, None));
        assert!((huge.to_f64() + 1.7e38).abs() < 1e37);
    }
}
