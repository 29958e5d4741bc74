//! How numbers are written in reasons. Knows no policy.

use std::time::Duration;

use snakepit_core::config::scalar::HumanDuration;

const UNITS: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

/// An amount of memory with one digit after the point: `512.3MiB`.
pub(super) fn memory(bytes: u64) -> String {
    let Some((unit, size)) = UNITS.iter().find(|(_, size)| bytes >= *size) else {
        return format!("{bytes}B");
    };
    // In whole numbers: the largest amount has more digits than a float holds.
    let tenths = u128::from(bytes) * 10 / u128::from(*size);
    match tenths % 10 {
        0 => format!("{}{unit}", tenths / 10),
        tenth => format!("{}.{tenth}{unit}", tenths / 10),
    }
}

/// A span of time as configurations write it, without what nobody wants to know of a long one.
pub(super) fn time(span: Duration) -> String {
    let shown = if span.as_secs() >= 10 {
        Duration::from_secs(span.as_secs())
    } else {
        span
    };
    HumanDuration::from(shown).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short_enough_to_compare() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1KiB"),
            (512 << 20, "512MiB"),
            ((512 << 20) + (300 << 10), "512.2MiB"),
            (u64::MAX, "16777215.9TiB"),
        ] {
            assert_eq!(memory(bytes), text);
        }
        assert_eq!(time(Duration::from_millis(90_000_500)), "1d1h");
        assert_eq!(time(Duration::from_millis(1250)), "1s250ms");
        assert_eq!(time(Duration::from_millis(30_004)), "30s");
    }
}
