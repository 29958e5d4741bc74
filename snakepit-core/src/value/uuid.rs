//! UUIDs: sixteen bytes and their usual text; knows no versions.

use std::fmt;
use std::str::FromStr;

use super::ValueError;

/// A UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// A UUID of these bytes, the most significant first.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, the most significant first.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", u128::from_be_bytes(self.0));
        let (a, b, c) = (&digits[..8], &digits[8..12], &digits[12..16]);
        write!(f, "{a}-{b}-{c}-{}-{}", &digits[16..20], &digits[20..])
    }
}

impl FromStr for Uuid {
    type Err = ValueError;

    /// Reads the form with hyphens, in either case.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let hyphen = |index: usize| matches!(index, 8 | 13 | 18 | 23);
        let fits = |(index, byte): (usize, u8)| {
            if hyphen(index) {
                byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        };
        let well_formed = text.len() == 36 && text.bytes().enumerate().all(fits);
        let number = if well_formed {
            u128::from_str_radix(&text.replace('-', ""), 16).ok()
        } else {
            None
        };
        number
            .map(|number| Self(number.to_be_bytes()))
            .ok_or_else(|| {
                ValueError::new("a UUID is written like `2f0cb5a4-75cb-4dbb-8f3e-0b5a1c2d3e4f`")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back() {
        let text = "02f0cb5a-475c-4dbb-8f3e-0b5a1c2d3e4f";
        let uuid: Uuid = text.parse().unwrap();
        assert_eq!(uuid.as_bytes()[..2], [0x02, 0xf0]);
        assert_eq!(uuid.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(uuid));
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "2f0cb5a4",
            "+2f0cb5a-475c-4dbb-8f3e-0b5a1c2d3e4f",
            "02f0cb5a-475c-4dbb-8f3e00b5a1c2d3e4f",
        ] {
            assert!(text.parse::<Uuid>().is_err(), "{text:?}");
        }
    }
}
