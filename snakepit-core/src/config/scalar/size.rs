//! Sizes such as `512MiB`. Knows no key.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

use super::split_number;

/// A number of bytes: `512MiB`, `64KiB`, `1GB`, or a plain number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

/// Powers of 1024 end in `iB`; largest first so that [`fmt::Display`] finds the shortest form.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1000),
    ("B", 1),
];

const SIZE: &str = "a size such as `512MiB`, `64KiB`, `1GB` or a number of bytes";

impl ByteSize {
    /// A size from a number of bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Reads `512MiB` and the like, and plain numbers; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split_number(text.trim())?;
        let unit = unit.trim_start();
        if unit.is_empty() {
            return Some(Self(number));
        }
        let (_, factor) = SIZE_UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
        number.checked_mul(*factor).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIZE_UNITS
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
        {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => f.write_str("0B"),
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SIZE)
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                ByteSize::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_the_same_way() {
        for (text, bytes, written) in [
            ("512MiB", 512 << 20, "512MiB"),
            ("64KiB", 64 << 10, "64KiB"),
            ("1GB", 1_000_000_000, "1GB"),
            ("4 kb", 4000, "4KB"),
            ("1025", 1025, "1025B"),
            ("0", 0, "0B"),
        ] {
            let size = ByteSize::parse(text).unwrap();
            assert_eq!(size.get(), bytes, "{text}");
            assert_eq!(size.to_string(), written);
        }
        for text in ["", "MiB", "1.5GB", "-1", "5 bananas", "99999999TiB"] {
            assert_eq!(ByteSize::parse(text), None, "{text}");
        }
    }
}
